from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from rlvla.core.component import build
from rlvla.core.registry import Components
from rlvla.core.testing.model import check_model
from rlvla.core.testing.rows import decide, observations
from rlvla.core.types import SimulatorSpec
from rlvla.plugins import models
from rlvla.plugins.algorithms.ppo import PPO
from rlvla.plugins.models.flow.matching import lesson
from rlvla.plugins.models.flow.sampling import Choice, FlowSampling, Kind, Reduction
from rlvla.plugins.models.flow_mlp import FlowMLP

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.types import Arrays


@pytest.mark.parametrize("kind", ["sde", "noise", "cps"])
@pytest.mark.parametrize("choice", ["one", "all"])
@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_it_keeps_the_contract(
    kind: Kind, choice: Choice, reduce: Reduction, spec: SimulatorSpec
) -> None:
    sampling = FlowSampling(kind=kind, stochastic=choice, reduce=reduce)
    check_model(FlowMLP(chunk=3, sampling=sampling), spec)


@pytest.mark.parametrize("model", [FlowMLP(), FlowMLP(hidden=[8], chunk=2)])
def test_it_keeps_the_contract_in_any_size(model: FlowMLP, spec: SimulatorSpec) -> None:
    check_model(model, spec)


def test_it_is_registered_and_its_sampling_is_an_option_of_its_own() -> None:
    components = Components()
    models.register(components)
    assert components.models["flow_mlp"] is FlowMLP
    made = build(FlowMLP, {"chunk": 4, "sampling": {"kind": "cps", "stochastic": "all"}})
    assert made == FlowMLP(chunk=4, sampling=FlowSampling(kind="cps", stochastic="all"))


def test_actions_have_the_units_and_bounds_of_the_simulator(spec: SimulatorSpec) -> None:
    policy = FlowMLP(sampling=FlowSampling(stochastic="all")).build(spec, seed=0)
    decided = decide(policy, observations(spec, rows=64))
    low, high = np.array(spec.action_low), np.array(spec.action_high)
    drawn = decided["chain"][:, -1]
    expected = (low + (high - low) * (drawn + 1) / 2).clip(low, high)
    np.testing.assert_allclose(decided["action"], expected, atol=1e-5)
    assert (np.abs(drawn) > 1).any()
    assert (np.abs(drawn) < 1).any()


def test_imitation_takes_actions_in_the_units_of_the_simulator(spec: SimulatorSpec) -> None:
    """Halfway between the bounds is the action 0, so that the velocity is the noise alone."""
    policy = FlowMLP().build(spec, seed=0)
    for name in ("velocity.weight", "velocity.bias"):
        torch.nn.init.zeros_(policy.module.get_parameter(name))
    rows = dict(observations(spec, rows=7))
    middle = (np.array(spec.action_low) + np.array(spec.action_high)) / 2
    rows["action"] = np.tile(middle, (7, 1, 1)).astype(np.float32)
    given = lesson(torch.zeros(7, 1, 4), np.arange(7, dtype=np.uint64))
    losses = policy.imitate(rows).detach()
    torch.testing.assert_close(losses, given.velocity.square().mean((1, 2)))


def test_a_lesson_lies_between_action_and_noise() -> None:
    seeds = np.arange(5000, dtype=np.uint64)
    actions = torch.full((5000, 2, 3), 0.5)
    given = lesson(actions, seeds)
    noise = given.velocity + actions
    assert is_uniform(torch.distributions.Normal(0, 1).cdf(noise.flatten()))
    assert is_uniform(((given.time - 0.001) / 0.999) ** 1.5)  # the Beta(1.5, 1) of a Beta number
    time = given.time[:, None, None]
    torch.testing.assert_close(given.point, time * noise + (1 - time) * actions)


def test_imitation_does_not_depend_on_how_rows_are_cut_into_batches(spec: SimulatorSpec) -> None:
    rows = taught(spec)
    whole = FlowMLP().build(spec, seed=0).imitate(rows)
    policy = FlowMLP().build(spec, seed=0)
    parts = [policy.imitate({name: one[cut] for name, one in rows.items()}) for cut in cuts()]
    torch.testing.assert_close(torch.cat(parts), whole)


def test_imitation_goes_on_after_a_checkpoint(spec: SimulatorSpec, tmp_path: Path) -> None:
    policy, rows = FlowMLP().build(spec, seed=0), taught(spec)
    first = policy.imitate(rows)
    policy.save(str(tmp_path))
    second = policy.imitate(rows)
    again = FlowMLP(checkpoint=str(tmp_path)).build(spec, seed=1)
    torch.testing.assert_close(again.imitate(rows), second, rtol=0, atol=0)
    assert not torch.allclose(first, second)


def test_imitation_learns_the_distribution_of_actions() -> None:
    spec = SimulatorSpec(
        cameras={},
        proprio=1,
        action_low=(-2.0, -1.0),
        action_high=(2.0, 1.0),
        max_steps=1,
        control_hz=1.0,
    )
    policy = FlowMLP(sampling=FlowSampling(steps=10)).build(spec, seed=0)
    random = np.random.default_rng(0)
    optimizer = torch.optim.Adam(policy.module.parameters(), 3e-3)
    for _ in range(400):
        side = random.choice([-1.0, 1.0], (128, 1)).astype(np.float32)
        noise = random.normal(size=(128, 1, 2)) * (0.4, 0.2)
        action = (noise + side[:, None] * (1.0, -0.5)).astype(np.float32)
        optimizer.zero_grad()
        policy.imitate({"proprio": side, "action": action}).mean().backward()
        optimizer.step()
    side = np.repeat([[-1.0], [1.0]], 500, axis=0).astype(np.float32)
    start = torch.randn(1000, 1, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        made = policy.sampler.denoise(policy.module.denoiser(torch.from_numpy(side)), start)
    scaled = made[:, 0].numpy() * (2, 1)
    assert scaled[500:].mean(0) == pytest.approx([1.0, -0.5], abs=0.12)
    assert scaled[:500].mean(0) == pytest.approx([-1.0, 0.5], abs=0.12)
    assert scaled[500:].std(0) == pytest.approx([0.4, 0.2], rel=0.3)


@pytest.mark.parametrize("kind", ["sde", "noise", "cps"])
def test_a_policy_gradient_makes_good_actions_likelier(kind: Kind, spec: SimulatorSpec) -> None:
    sampling = FlowSampling(kind=kind, stochastic="all")
    policy = FlowMLP(sampling=sampling).build(spec, seed=0)
    seen = observations(spec, rows=256)
    decided = decide(policy, seen)
    optimizer = torch.optim.Adam(policy.module.parameters(), 3e-3)
    good = torch.from_numpy(decided["chain"][:, -1, 0, 0] > 0).float() - 0.5
    for _ in range(10):
        optimizer.zero_grad()
        ratio = policy.evaluate({**seen, **decided}).log_prob - torch.from_numpy(
            decided["log_prob"]
        )
        (-good[:, None, None] * ratio.clamp(-0.2, 0.2)).mean().backward()
        optimizer.step()
    after = decide(policy, seen)
    before, now = (one["chain"][:, -1, 0, 0].mean() for one in (decided, after))
    assert now > before + 0.05


def test_the_critic_has_the_learning_rate_of_critics(spec: SimulatorSpec) -> None:
    module = FlowMLP().build(spec, seed=0).module
    _, critic = PPO(lr=0.1, value_lr=0.2).parameter_groups(module)
    own = [one for name, one in module.named_parameters() if name.startswith("value_head.")]
    assert critic["params"] == own
    assert len(own) == 6


@pytest.mark.parametrize("kind", ["sde", "noise", "cps"])
def test_only_learned_noise_has_a_head(kind: Kind, spec: SimulatorSpec) -> None:
    model = FlowMLP(sampling=FlowSampling(kind=kind))
    names = model.build(spec, seed=0).module.state_dict()
    assert any(name.startswith("noise_head.") for name in names) == (kind == "noise")


def test_learned_noise_begins_in_the_middle_of_its_bounds(spec: SimulatorSpec) -> None:
    sampling = FlowSampling(kind="noise", stochastic="one", low=0.05, high=0.2)
    policy = FlowMLP(sampling=sampling).build(spec, seed=0)
    seen = observations(spec, rows=8)
    entropy = policy.evaluate({**seen, **decide(policy, seen)}).entropy
    expected = 0.5 * np.log(2 * np.pi * np.e * 0.05 * 0.2)
    assert entropy.detach().numpy() == pytest.approx(expected, abs=1e-5)


def test_building_leaves_the_random_numbers_of_others_alone(spec: SimulatorSpec) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    FlowMLP().build(spec, seed=1)
    assert torch.equal(torch.rand(3), expected)


def test_describing_it_needs_no_torch() -> None:
    code = (
        "import sys; from rlvla.plugins.models.flow_mlp import FlowMLP;"
        "FlowMLP(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_it_cannot_do_is_explained(spec: SimulatorSpec) -> None:
    with pytest.raises(ValueError, match="flow_mlp sees only proprio"):
        FlowMLP().decision_fields(replace(spec, proprio=0))
    endless = replace(spec, action_high=(1.0, 0.5, 1.0, float("inf")))
    with pytest.raises(ValueError, match="scales actions by their bounds, which must be finite"):
        FlowMLP().decision_fields(endless)
    for hidden in ([], [0]):
        with pytest.raises(ValueError, match="hidden must be one or more widths of at least 1"):
            FlowMLP(hidden=hidden)
    with pytest.raises(ValueError, match="chunk must be at least 1, got 0"):
        FlowMLP(chunk=0)


def is_uniform(shares: torch.Tensor) -> bool:
    """Make the test of Kolmogorov and Smirnov at the level 0.001."""
    expected = (torch.arange(len(shares)) + 0.5) / len(shares)
    return (shares.sort().values - expected).abs().max().item() < 1.95 / len(shares) ** 0.5


def taught(spec: SimulatorSpec) -> Arrays:
    rows = observations(spec, rows=10)
    random = np.random.default_rng(0)
    actions = random.uniform(spec.action_low, spec.action_high, (10, 1, 4))
    return {**rows, "action": actions.astype(np.float32)}


def cuts() -> list[slice]:
    return [slice(0, 3), slice(3, 8), slice(8, 10)]
