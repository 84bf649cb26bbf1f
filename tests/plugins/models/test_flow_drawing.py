from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from toys.velocity import KINDS, ROWS, SAMPLINGS, SEEDS, Net, draw, sampler_of

from rlvla.plugins.models.flow.density import log_deviation
from rlvla.plugins.models.flow.sampling import Choice, FlowSampling, Kind, Start
from rlvla.plugins.models.noise import normal

EVERY = pytest.mark.parametrize(
    "sampling", SAMPLINGS, ids=lambda one: f"{one.kind}-{one.stochastic}-{one.steps}"
)


@EVERY
def test_the_recorded_shapes_are_those_promised(sampling: FlowSampling) -> None:
    drawn = draw(sampler_of(sampling, whole=False), Net(sampling, seed=0))
    fields = sampling.fields(3, 4)
    assert drawn.record.keys() == fields.keys()
    for name, field in fields.items():
        assert (drawn.record[name].shape, drawn.record[name].dtype) == (
            (ROWS, *field.shape),
            field.dtype,
        )
    assert drawn.action.shape == (ROWS, 3, 4)
    assert drawn.log_prob.shape == (ROWS, 2, 3)


def test_one_step_is_recorded_as_two_points_and_all_as_the_whole_chain() -> None:
    one, whole = (FlowSampling(stochastic=choice, steps=5) for choice in ("one", "all"))
    assert one.fields(3, 4)["chain"].shape == (2, 3, 4)
    assert whole.fields(3, 4)["chain"].shape == (6, 3, 4)
    assert replace(whole, kind="cps").fields(3, 4)["chain"].shape == (5, 3, 4)
    drawn = draw(sampler_of(whole), Net(whole, seed=0))
    np.testing.assert_array_equal(drawn.record["chain"][:, -1], drawn.action.numpy())


@EVERY
def test_a_seed_alone_decides_what_is_drawn(sampling: FlowSampling) -> None:
    sampler, net = sampler_of(sampling), Net(sampling, seed=0)
    whole = draw(sampler, net)
    with torch.no_grad():
        alone = sampler.draw(net, seeds=SEEDS[4:5], temperature=np.ones(1, np.float32))
    for name, one in alone.record.items():
        np.testing.assert_allclose(one[0], whole.record[name][4], atol=1e-5)
    assert not torch.allclose(whole.action[0], whole.action[1])


@pytest.mark.parametrize("kind", KINDS)
def test_one_step_is_drawn_from_all_that_have_noise(kind: Kind) -> None:
    sampling = FlowSampling(kind=kind, steps=4)
    net = Net(sampling, seed=0)
    seeds = np.arange(4000, dtype=np.uint64)
    with torch.no_grad():
        drawn = sampler_of(sampling).draw(net, seeds=seeds, temperature=np.ones(4000, np.float32))
    steps = 3 if kind == "cps" else 4
    counts = np.bincount(drawn.record["step"].astype(np.int64), minlength=steps)
    assert len(counts) == steps
    assert np.abs(counts - 4000 / steps).max() < 5 * np.sqrt(4000 / steps)


@pytest.mark.parametrize("start", ["noise", "origin"])
@EVERY
def test_at_temperature_0_steps_are_eulers_from_where_the_option_says(
    sampling: FlowSampling, start: Start
) -> None:
    sampler, net = sampler_of(replace(sampling, start=start)), Net(sampling, seed=0)
    drawn = draw(sampler, net, 0.0)
    count = 3 * 4 * (2 if sampling.stochastic == "one" else 1 + sampling.steps)
    first = torch.from_numpy(normal(SEEDS[:ROWS], count)[:, : 3 * 4].reshape(ROWS, 3, 4))
    with torch.no_grad():
        expected = sampler.denoise(net, first if start == "noise" else torch.zeros(ROWS, 3, 4))
    assert torch.allclose(drawn.action, expected, atol=1e-5)
    np.testing.assert_array_equal(drawn.record["noise"], draw(sampler, net).record["noise"])


@EVERY
def test_a_temperature_scales_all_that_is_drawn(sampling: FlowSampling) -> None:
    sampler = sampler_of(sampling)

    def still(points: Tensor, times: Tensor) -> tuple[Tensor, Tensor | None]:
        del times
        return torch.zeros_like(points), torch.zeros_like(points) if sampling.learned else None

    heats = np.array([0.5, 1.0], np.float32)
    drawn = sampler.draw(still, seeds=SEEDS[[0, 0]], temperature=heats)
    half, whole = drawn.record["noise"].astype(np.float64)
    assert half == pytest.approx(whole / 2, rel=1e-6)
    if sampling.learned:  # the only kind in which the noise leaves the mean alone
        assert torch.allclose(2 * drawn.action[0], drawn.action[1], atol=1e-5)


@pytest.mark.parametrize("choice", ["one", "all"])
def test_only_the_chosen_steps_differ_from_eulers(choice: Choice) -> None:
    sampling = FlowSampling(kind="sde", stochastic=choice, steps=5)
    net, seen = Net(sampling, seed=0), list[Tensor]()

    def noted(points: Tensor, times: Tensor) -> tuple[Tensor, Tensor | None]:
        seen.append(points)
        return net(points, times)

    with torch.no_grad():
        drawn = sampler_of(sampling).draw(noted, seeds=SEEDS, temperature=np.ones(ROWS, np.float32))
        after = [*seen[1:], drawn.action]
        for k, (before, there) in enumerate(zip(seen, after, strict=True)):
            velocity, _ = net(before, torch.full((ROWS,), 1 - k / 5))
            straight = [
                torch.allclose(one, two, atol=1e-5)
                for one, two in zip(there, before - velocity / 5, strict=True)
            ]
            step = drawn.record.get("step", np.full(ROWS, k))
            assert straight == (step != k).tolist()


def test_learned_deviations_stay_inside_their_bounds() -> None:
    bounds = torch.tensor([[0.08, 0.16], [0.2, 5.0]])
    raw = torch.linspace(-6, 6, 101).expand(2, 3, 101)
    deviation = log_deviation(raw, bounds).exp()
    assert (deviation > bounds[:, 0, None, None]).all()
    assert (deviation < bounds[:, 1, None, None]).all()
    assert (deviation.diff(dim=-1) > 0).all()
    assert torch.allclose(deviation[:, 0, 50], bounds.prod(1).sqrt())
