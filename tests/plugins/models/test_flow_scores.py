from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Normal
from toys.velocity import KINDS, ROWS, SAMPLINGS, Net, draw, sampler_of

from rlvla.plugins.models.flow.sampling import Choice, FlowSampling, Kind, Reduction

if TYPE_CHECKING:
    from rlvla.plugins.models.flow.sampler import Decisions


EVERY = pytest.mark.parametrize(
    "sampling", SAMPLINGS, ids=lambda one: f"{one.kind}-{one.stochastic}-{one.steps}"
)


def transitions(sampling: FlowSampling, net: Net, drawn: Decisions) -> tuple[Normal, Tensor]:
    """Return the Gaussians of the drawn steps and where they led, from the formulas alone."""
    chain = torch.from_numpy(drawn.record["chain"])
    step = drawn.record.get("step", np.zeros(ROWS, np.int64))
    k = torch.from_numpy(step)[:, None] + torch.arange(chain.shape[1] - 1)
    t, d = (1 - k / sampling.steps)[..., None, None], 1 / sampling.steps
    x = chain[:, :-1]
    v, raw = (
        None if one is None else one.view_as(x) for one in net(x.flatten(0, 1), t.flatten().float())
    )
    assert v is not None
    if raw is not None:
        low, high = (torch.tensor(bound**2).log() for bound in (sampling.low, sampling.high))
        variance = (low + (high - low) * (raw.tanh() + 1) / 2).exp()
        return Normal(x - d * v, variance.sqrt()), chain[:, 1:]
    action, noise = x - t * v, x + (1 - t) * v
    if sampling.kind == "cps":
        angle = np.pi * sampling.noise / 2
        mean = action * (1 - t + d) + noise * (t - d) * np.cos(angle)
        return Normal(mean, ((t - d) * np.sin(angle)).expand_as(x)), chain[:, 1:]
    sigma = sampling.noise * (t / torch.where(t == 1, d, 1 - t)).sqrt()
    mean = action * (1 - (t - d)) + noise * (t - d - sigma**2 * d / (2 * t))
    return Normal(mean, (sigma * d**0.5).expand_as(x)), chain[:, 1:]


@EVERY
def test_scores_are_those_of_the_normal_distribution(sampling: FlowSampling) -> None:
    net = Net(sampling, seed=0)
    drawn = draw(sampler_of(sampling), net)
    normal, after = transitions(sampling, net, drawn)
    expected = normal.log_prob(after).sum(1)
    assert torch.allclose(drawn.log_prob, expected, atol=1e-4)
    scored = sampler_of(sampling).score(net, drawn.record)
    assert torch.allclose(scored.log_prob, expected, atol=1e-4)
    assert torch.allclose(scored.entropy, normal.entropy().sum(1), atol=1e-4)


@given(
    sampling=st.builds(
        FlowSampling,
        kind=st.sampled_from(KINDS),
        stochastic=st.sampled_from(("one", "all")),
        reduce=st.sampled_from(("sum", "mean")),
        steps=st.integers(2, 6),
    ),
    whole=st.booleans(),
    seed=st.integers(0, 2**31),
    temperature=st.sampled_from((0.0, 0.3, 0.7, 1.0, 1.6)),
)
def test_what_was_drawn_is_scored_alike(
    sampling: FlowSampling, whole: bool, seed: int, temperature: float
) -> None:
    sampler, net = sampler_of(sampling, whole=whole), Net(sampling, seed=seed)
    drawn = draw(sampler, net, temperature)
    scored = sampler.score(net, drawn.record)
    largest = max(1.0, drawn.log_prob.abs().max().item())
    assert (scored.log_prob - drawn.log_prob).abs().max().item() <= 1e-5 * largest


@pytest.mark.parametrize("choice", ["one", "all"])
def test_scoring_takes_one_forward_pass(choice: Choice) -> None:
    sampling = FlowSampling(stochastic=choice)
    net, rows = Net(sampling, seed=0), list[int]()

    def counted(points: Tensor, times: Tensor) -> tuple[Tensor, Tensor | None]:
        rows.append(len(points))
        return net(points, times)

    drawn = draw(sampler_of(sampling), net)
    sampler_of(sampling).score(counted, drawn.record)
    assert rows == [ROWS if choice == "one" else 4 * ROWS]


@pytest.mark.parametrize("kind", KINDS)
def test_mean_is_sum_over_the_number_of_gaussians(kind: Kind) -> None:
    total = FlowSampling(kind=kind, stochastic="all", steps=4)
    net = Net(total, seed=0)
    drawn = draw(sampler_of(total), net)
    scored = sampler_of(replace(total, reduce="mean")).score(net, drawn.record)
    gaussians = 4 if kind == "cps" else 5
    assert torch.allclose(scored.log_prob * gaussians, drawn.log_prob, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_the_start_cancels_in_a_ratio(kind: Kind, reduce: Reduction) -> None:
    sampling = FlowSampling(kind=kind, stochastic="all", reduce=reduce)
    one, two = Net(sampling, seed=0), Net(sampling, seed=1)
    drawn = draw(sampler_of(sampling), one)
    whole = list[Tensor]()
    for net in (one, two):
        normal, after = transitions(sampling, net, drawn)
        start = Normal(0, 1).log_prob(torch.from_numpy(drawn.record["chain"])[:, :1])
        terms = torch.cat([start, normal.log_prob(after)], 1)
        whole.append(terms.sum(1) if reduce == "sum" else terms.mean(1))
    ratio = sampler_of(sampling).score(two, drawn.record).log_prob - drawn.log_prob
    assert torch.allclose(ratio, whole[1] - whole[0], rtol=1e-4, atol=1e-4)
    assert ratio.abs().max() > 0.1


@pytest.mark.parametrize("choice", ["one", "all"])
def test_the_recorded_noise_counts_and_not_that_of_the_options(choice: Choice) -> None:
    for kind in KINDS:
        sampling = FlowSampling(kind=kind, stochastic=choice)
        net = Net(sampling, seed=0)
        drawn = draw(sampler_of(sampling), net)
        later = replace(sampling, noise=0.3, low=0.01, high=0.02)
        scored = sampler_of(later).score(net, drawn.record)
        assert torch.allclose(scored.log_prob, drawn.log_prob, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_the_entropy_is_the_expected_surprise(kind: Kind, reduce: Reduction) -> None:
    sampling = FlowSampling(kind=kind, stochastic="all", reduce=reduce)
    net, rows = Net(sampling, seed=0), 40_000
    seeds = np.arange(rows, dtype=np.uint64)
    with torch.no_grad():
        sampler = sampler_of(sampling)
        drawn = sampler.draw(net, seeds=seeds, temperature=np.ones(rows, np.float32))
        entropy = sampler.score(net, drawn.record).entropy
    surprise = (entropy + drawn.log_prob).mean(0).abs().max().item()
    assert surprise < 5 * np.sqrt(0.5 * sampling.drawn / rows)


@EVERY
def test_only_learned_noise_gives_the_entropy_a_gradient(sampling: FlowSampling) -> None:
    net = Net(sampling, seed=0)
    scored = sampler_of(sampling).score(net, draw(sampler_of(sampling), net).record)
    assert scored.entropy.requires_grad == sampling.learned
    scored.log_prob.sum().backward()
    assert net.mix.grad is not None
    assert net.mix.grad.isfinite().all()
    assert (net.mix.grad[:, :12] != 0).any()


def test_elements_that_are_not_executed_are_not_scored() -> None:
    sampling = FlowSampling(stochastic="all")
    net = Net(sampling, seed=0)
    drawn = draw(sampler_of(sampling), net)
    part = sampler_of(sampling, whole=False).score(net, drawn.record)
    assert torch.allclose(part.log_prob, drawn.log_prob[:, :2, :3], atol=1e-5)
