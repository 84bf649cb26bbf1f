"""Policies that make an action out of noise, and how a policy gradient is taken through that.

A network learns the velocity v(x, t) = E[e - a | x] on the straight way x = t e + (1 - t) a from an
action a (t = 0) to noise e (t = 1). K steps of size 1/K lead back: x - v/K each, which is a
deterministic function of the start. What makes a density of it is noise in one or all of the steps:
each is then a Gaussian, and a decision is scored by the steps that were recorded.

`sampling` holds the options, `kinds` the formulas of the steps and `density` how they are scored;
`sampler` acts and scores with any velocity network, `matching` is what such a network is taught.
`network` and `policy` are those of the model `flow_mlp`.
"""
