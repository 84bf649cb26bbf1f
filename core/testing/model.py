"""Checks of models: what a policy records, and whether it scores it alike."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.testing.conformance import check_description, check_row, expect
from rlvla.core.testing.rows import decide, observations
from rlvla.core.types import Field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.interfaces import Model, Policy
    from rlvla.core.types import Array, Arrays, SimulatorSpec

ROWS = 5
TOLERANCE = 1e-5
"""How far a score may be from the record, as `Policy.evaluate` promises."""


def check_model(model: Model, spec: SimulatorSpec) -> None:
    """Check a model on made-up observations of a simulator; builds the policy twice."""
    check_description(model)
    fields = model.decision_fields(spec)
    _check_fields(fields, spec)
    policy = model.build(spec, seed=0)
    _check_same_weights(policy, model.build(spec, seed=0), "equal seeds must build equal policies")
    seen = observations(spec, rows=ROWS)
    for temperature in (1.0, 0.7, 0.0):
        decided = decide(policy, seen, temperature=temperature)
        rows = {name: Field((ROWS, *one.shape), one.dtype) for name, one in fields.items()}
        check_row("what act returns", decided, rows)
        _check_scores(policy, {**seen, **decided}, temperature)
    _check_noise(policy, seen, greedy=not getattr(model, "starts_from_noise", False))
    _check_imitation(policy, {**seen, **decide(policy, seen)})
    _check_saving(policy)


def _check_fields(fields: Mapping[str, Field], spec: SimulatorSpec) -> None:
    for name in ("action", "log_prob", "value"):
        expect(f"decision_fields must hold {name!r}", holds=name in fields)
        dtype = fields[name].dtype
        expect(
            f"{name!r} of decision_fields must be float32, not {dtype}", holds=dtype == "float32"
        )
    action, log_prob, value = (fields[name].shape for name in ("action", "log_prob", "value"))
    expect(
        f"'action' must have the shape [C, {spec.action_dim}], it has {list(action)}",
        holds=len(action) == 2 and action[1] == spec.action_dim,
    )
    chunk = action[0]
    expect(
        f"'log_prob' must have the shape [{chunk}, K], it has {list(log_prob)}",
        holds=len(log_prob) == 2 and log_prob[0] == chunk,
    )
    expect(
        f"'value' must have the shape [1] or [{chunk}], it has {list(value)}",
        holds=value in ((1,), (chunk,)),
    )


def _check_scores(policy: Policy, batch: Arrays, temperature: float) -> None:
    scores, case = policy.evaluate(batch), f"at temperature {temperature:g}"
    _check_close(
        f"{case}, the log_prob of evaluate", scores.log_prob.detach().numpy(), batch["log_prob"]
    )
    _check_close(f"{case}, the value of evaluate", scores.value.detach().numpy(), batch["value"])
    _check_close("value", policy.value(batch).detach().numpy(), batch["value"])
    entropy = tuple(scores.entropy.shape)
    expect(
        f"the entropy of evaluate must have the shape of log_prob, it has {list(entropy)}",
        holds=entropy == batch["log_prob"].shape,
    )


def _check_close(what: str, scored: Array, recorded: Array) -> None:
    expect(
        f"{what} must have the shape {list(recorded.shape)}, it has {list(scored.shape)}",
        holds=scored.shape == recorded.shape,
    )
    error = float(np.max(np.abs(scored - recorded)))
    expect(
        f"{what} must equal what act recorded to {TOLERANCE:g}, it is off by {error:.1e}",
        holds=error <= TOLERANCE * max(1.0, float(np.max(np.abs(recorded)))),
    )


def _check_noise(policy: Policy, seen: Arrays, *, greedy: bool) -> None:
    whole = decide(policy, seen)["action"]
    last = decide(policy, {name: one[-1:] for name, one in seen.items()}, seed=ROWS - 1)["action"]
    expect(
        "a row's seed must alone decide its noise, not its place nor the rest of the batch",
        holds=np.allclose(whole[-1:], last, atol=1e-4),
    )
    other = 100 if greedy else 0
    one, two = (decide(policy, seen, seed=seed, temperature=0.0)["action"] for seed in (0, other))
    rule = "the seed must not matter" if greedy else "equal seeds must decide alike"
    expect(f"at temperature 0 {rule}", holds=np.allclose(one, two, atol=1e-4))


def _check_imitation(policy: Policy, batch: Arrays) -> None:
    loss = policy.imitate(batch)
    expect(
        f"imitate must return one loss a row, [{ROWS}], it returns {list(loss.shape)}",
        holds=tuple(loss.shape) == (ROWS,),
    )
    expect("the loss of imitate must be finite", holds=bool(loss.isfinite().all()))
    expect("the loss of imitate must have a gradient", holds=loss.requires_grad)


def _check_saving(policy: Policy) -> None:
    saved = {name: one.clone() for name, one in policy.module.state_dict().items()}
    with TemporaryDirectory() as directory:
        policy.save(directory)
        for parameter in policy.module.parameters():
            parameter.data.add_(1)
        policy.load(directory)
    for name, one in policy.module.state_dict().items():
        expect(
            f"load must restore {name!r} bit for bit",
            holds=bool((one == saved[name]).all()),
        )


def _check_same_weights(one: Policy, two: Policy, rule: str) -> None:
    state, other = one.module.state_dict(), two.module.state_dict()
    same = state.keys() == other.keys() and all(
        bool((state[name] == other[name]).all()) for name in state
    )
    expect(rule, holds=same)
