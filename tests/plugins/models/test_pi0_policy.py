from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import numpy as np
import pytest
import torch

from rlvla.core.testing.model import check_model
from rlvla.plugins.models.flow.matching import lesson
from rlvla.plugins.models.flow.sampling import FlowSampling
from rlvla.plugins.models.pi0 import Pi0, Pi05
from rlvla.plugins.simulators.tabletop import Tabletop

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlvla.core.types import Array, SimulatorSpec
    from rlvla.plugins.models.pi0.policy import PiPolicy

    Make = Callable[[int], dict[str, Array]]

Source: TypeAlias = Literal["expert", "prefix", "privileged"]
SOURCES: tuple[Source, ...] = ("expert", "prefix", "privileged")


def act(
    policy: PiPolicy, rows: dict[str, Array], *, heat: float = 1.0, first: int = 0
) -> dict[str, Array]:
    count = len(rows["instruction"])
    seeds = np.arange(first, first + count, dtype=np.uint64) + np.uint64(2**63)
    return dict(policy.act(rows, seeds=seeds, temperature=np.full(count, heat, np.float32)))


@pytest.mark.parametrize("kind", ["sde", "noise", "cps"])
@pytest.mark.parametrize("stochastic", ["one", "all"])
def test_models_keep_the_rules_of_their_interface(
    spec: SimulatorSpec,
    kind: Literal["sde", "noise", "cps"],
    stochastic: Literal["one", "all"],
) -> None:
    sampling = FlowSampling(kind=kind, stochastic=stochastic, steps=3)
    check_model(Pi0(sampling=sampling, chunk=2), spec)
    check_model(Pi05(sampling=sampling), replace(spec, proprio=0))


@pytest.mark.parametrize("critic", SOURCES)
def test_values_keep_the_rules_wherever_they_come_from(spec: SimulatorSpec, critic: Source) -> None:
    two = replace(spec, cameras={"top": (32, 32), "wrist": (48, 40)})
    check_model(Pi0(critic=critic, cameras={"wrist": "wrist"}), two)
    check_model(Pi05(critic=critic, chunk=3, discrete_state_input=False), two)


def test_tiny_policies_are_small() -> None:
    for options in (Pi0(), Pi05()):
        network = options.build(Tabletop().spec, seed=0).module
        assert sum(one.numel() for one in network.parameters()) <= 700_000


@pytest.mark.parametrize("critic", ["expert", "prefix"])
def test_a_value_does_not_depend_on_what_was_drawn(
    spec: SimulatorSpec, observations: Make, critic: Source
) -> None:
    policy = Pi05(critic=critic).build(spec, seed=0)
    rows = observations(3)
    drawn = [act(policy, rows, heat=heat, first=first) for heat, first in ((1, 0), (0.7, 5))]
    assert not np.array_equal(drawn[0]["chain"], drawn[1]["chain"])
    np.testing.assert_array_equal(drawn[0]["value"], drawn[1]["value"])
    for one in drawn:
        scores = policy.evaluate(rows | one)
        np.testing.assert_allclose(scores.value.detach().numpy(), one["value"], atol=1e-6)


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("critic", ["expert", "prefix"])
def test_value_gradients_reach_what_they_come_from_unless_detached(
    spec: SimulatorSpec, observations: Make, critic: Source, detach: bool
) -> None:
    policy = Pi0(critic=critic, detach=detach).build(spec, seed=0)
    rows = observations(2)
    value = policy.evaluate(rows | act(policy, rows)).value.sum()
    streams = policy.module.paligemma_with_expert
    projector = streams.paligemma.model.multi_modal_projector.linear.weight
    expert = policy.module.action_time_mlp_out.weight
    head = policy.module.value_head.get_parameter("0.weight")
    own, seen, acted = torch.autograd.grad(value, (head, projector, expert), materialize_grads=True)
    assert own.any()
    assert seen.any() != detach
    assert acted.any() == (critic == "expert" and not detach)


@pytest.mark.parametrize("options", [Pi0(), Pi05(), Pi05(critic="prefix")])
def test_exactly_what_runs_is_trained(
    options: Pi0, spec: SimulatorSpec, observations: Make
) -> None:
    policy, rows = options.build(spec, seed=0), observations(4)
    trained = {n: p for n, p in policy.module.named_parameters() if p.requires_grad}
    batch = rows | act(policy, rows)
    scores = policy.evaluate(batch)
    total = scores.log_prob.sum() + scores.value.sum() + policy.imitate(batch).sum()
    found = torch.autograd.grad(total, [*trained.values()], allow_unused=True)
    gradients = cast("tuple[torch.Tensor | None, ...]", found)
    unused = {n for n, g in zip(trained, gradients, strict=True) if g is None}
    assert unused == set()
    last = "paligemma_with_expert.paligemma.model.language_model.layers.1.mlp.up_proj.weight"
    assert (last in trained) == (options.critic == "prefix")


def test_imitation_is_openpis_loss_on_the_rows_own_lessons(
    spec: SimulatorSpec, observations: Make
) -> None:
    policy, rows = Pi0(chunk=3).build(spec, seed=0), observations(4)
    random = np.random.default_rng(0)
    action = random.uniform(spec.action_low, spec.action_high, (4, 3, 4)).astype(np.float32)
    low, high = np.array(spec.action_low), np.array(spec.action_high)
    unit = torch.tensor((2 * (action - low) / (high - low) - 1).astype(np.float32))
    batch = rows | {"action": action}
    for first in (0, 4):
        loss = policy.imitate(batch)
        given = lesson(unit, np.arange(first, first + 4, dtype=np.uint64))
        velocity, _ = policy.denoiser(policy.see(rows))(given.point, given.time)
        expected = (velocity - given.velocity).square().mean((1, 2))
        torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)


def test_imitation_does_not_depend_on_how_rows_are_cut(
    spec: SimulatorSpec, observations: Make
) -> None:
    rows = observations(4)
    batch = rows | {"action": np.zeros((4, 1, 4), np.float32)}
    whole = Pi05().build(spec, seed=0).imitate(batch)
    policy = Pi05().build(spec, seed=0)
    halves = [
        policy.imitate({name: one[part] for name, one in batch.items()})
        for part in (slice(0, 2), slice(2, 4))
    ]
    torch.testing.assert_close(torch.cat(halves), whole, rtol=1e-5, atol=1e-6)


def test_what_was_never_executed_is_not_imitated(spec: SimulatorSpec, observations: Make) -> None:
    rows = observations(2)
    action = np.random.default_rng(0).random((2, 3, 4)).astype(np.float32)
    valid = np.array([[True, False, False], [True, True, True]])
    other = action.copy()
    other[0, 1:] = 9.0
    losses = [
        Pi05(chunk=3).build(spec, seed=0).imitate(rows | {"action": one, "valid": valid})
        for one in (action, other)
    ]
    assert torch.equal(*losses)


@pytest.mark.parametrize("options", [Pi0(), Pi05()])
def test_imitation_lowers_its_loss(options: Pi0, spec: SimulatorSpec, observations: Make) -> None:
    policy, rows = options.build(spec, seed=0), observations(8)
    batch = rows | {"action": np.full((8, 1, 4), 0.4, np.float32)}
    trained = [one for one in policy.module.parameters() if one.requires_grad]
    losses: list[float] = []
    for _ in range(30):
        loss = policy.imitate(batch).mean()
        gradients = torch.autograd.grad(loss, trained, materialize_grads=True)
        with torch.no_grad():
            for weight, gradient in zip(trained, gradients, strict=True):
                weight.sub_(gradient, alpha=0.03)
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_rows_do_not_depend_on_the_rest_of_the_batch(
    spec: SimulatorSpec, observations: Make
) -> None:
    policy, rows = Pi05().build(spec, seed=0), observations(5)
    whole = act(policy, rows)
    for i in range(5):
        alone = act(policy, {name: one[i : i + 1] for name, one in rows.items()}, first=i)
        for name, one in alone.items():
            np.testing.assert_allclose(one[0], whole[name][i], atol=1e-5)


def test_actions_are_cut_at_the_bounds_but_not_what_is_recorded(
    spec: SimulatorSpec, observations: Make
) -> None:
    sampling = FlowSampling(noise=4.0, stochastic="all")
    decided = act(Pi0(sampling=sampling).build(spec, seed=0), observations(7))
    low, high = np.array(spec.action_low), np.array(spec.action_high)
    assert np.all((decided["action"] >= low) & (decided["action"] <= high))
    unit = decided["chain"][:, -1, 0, :4]
    assert np.abs(unit).max() > 1
    expected = np.clip((unit + 1) / 2 * (high - low) + low, low, high)
    np.testing.assert_allclose(decided["action"][:, 0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "sees_state"),
    [(Pi0(), True), (Pi05(), True), (Pi05(discrete_state_input=False), False)],
)
def test_instruction_cameras_and_state_matter(
    options: Pi0, sees_state: bool, spec: SimulatorSpec, observations: Make
) -> None:
    wide = replace(spec, cameras={"top": (32, 32), "wrist": (48, 40)})
    policy, rows = options.build(wide, seed=0), observations(2)
    rows["image/wrist"] = np.zeros((2, 48, 40, 3), np.uint8)
    before = act(policy, rows, heat=0.0)["action"]
    changed = {
        "image/top": np.full_like(rows["image/top"][0], 255),
        "image/wrist": np.full_like(rows["image/wrist"][0], 255),
        "instruction": rows["instruction"][1],
        "proprio": rows["proprio"][0] - 1,
    }
    for name, one in changed.items():
        other = rows[name].copy()
        other[0] = one
        after = act(policy, rows | {name: other}, heat=0.0)["action"]
        assert np.any(after[0] != before[0]) == (name != "proprio" or sees_state)
        np.testing.assert_allclose(after[1], before[1], atol=1e-5)


def test_equal_seeds_build_equal_policies(spec: SimulatorSpec) -> None:
    state = torch.get_rng_state()
    one, two, other = (Pi0().build(spec, seed=seed).module.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["action_in_proj.weight"], other["action_in_proj.weight"])
    assert torch.equal(state, torch.get_rng_state())


def test_privileged_value_needs_privileged_state(spec: SimulatorSpec) -> None:
    with pytest.raises(ValueError, match="critic 'privileged' needs a simulator with"):
        Pi0(critic="privileged").build(replace(spec, privileged=0), seed=0)


def test_options_and_fields_are_known_without_torch() -> None:
    code = (
        "import sys, rlvla.plugins.models.pi0 as m\n"
        "from rlvla.plugins.simulators.tabletop import Tabletop\n"
        "m.Pi0().decision_fields(Tabletop().spec); m.Pi05()\n"
        "print({'torch', 'tokenizers', 'peft'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"


def test_the_packaged_manifest_is_valid_and_cameras_are_checked_in_it(
    call: Callable[..., tuple[object, str, str]],
) -> None:
    code, told, _ = call("validate", "tabletop_pi0")
    assert code == 0
    assert "would run into" in told
    code, _, told = call("validate", "tabletop_pi0", "-s", "model.preset=3b")
    assert code == 2
    assert "model.cameras: cameras do not fit: the model has no camera 'top'" in told
    assert "write cameras: {top: base_0_rgb} if they show the same" in told
