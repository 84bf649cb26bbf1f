from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
import torch

from rlvla.plugins.models.openvla import OpenVLA

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlvla.core.interfaces import Model, Policy
    from rlvla.core.types import Array, SimulatorSpec
    from rlvla.plugins.models.openvla.policy import OpenVLAPolicy

    Make = Callable[[int], dict[str, Array]]

SEEDS = np.arange(7, dtype=np.uint64) + 2**63


def act(
    policy: OpenVLAPolicy, rows: dict[str, Array], temperature: float, *, first: int = 0
) -> dict[str, Array]:
    count = len(rows["instruction"])
    heat = np.full(count, temperature, np.float32)
    return dict(policy.act(rows, seeds=SEEDS[first : first + count], temperature=heat))


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0, 1.6])
@pytest.mark.parametrize("critic", ["head", "privileged"])
def test_evaluate_repeats_what_act_recorded(
    spec: SimulatorSpec,
    observations: Make,
    temperature: float,
    critic: Literal["head", "privileged"],
) -> None:
    policy = OpenVLA(critic=critic).build(spec, seed=0)
    rows = observations(7)
    batch = rows | act(policy, rows, temperature)
    scores = policy.evaluate(batch)
    np.testing.assert_allclose(scores.log_prob.detach().numpy(), batch["log_prob"], atol=1e-5)
    np.testing.assert_allclose(scores.value.detach().numpy(), batch["value"], atol=1e-5)
    values = policy.value(rows).detach().numpy()
    np.testing.assert_allclose(values, batch["value"], atol=1e-5)


def test_rows_do_not_depend_on_the_rest_of_the_batch(
    spec: SimulatorSpec, observations: Make
) -> None:
    policy, rows = OpenVLA().build(spec, seed=0), observations(7)
    whole = act(policy, rows, 1.0)
    alone = [
        act(policy, {name: one[i : i + 1] for name, one in rows.items()}, 1.0, first=i)
        for i in range(7)
    ]
    np.testing.assert_array_equal(whole["tokens"], np.concatenate([a["tokens"] for a in alone]))
    log_probs = np.concatenate([a["log_prob"] for a in alone])
    np.testing.assert_allclose(whole["log_prob"], log_probs, atol=1e-5)


def test_act_writes_the_declared_fields(spec: SimulatorSpec, observations: Make) -> None:
    model: Model = OpenVLA()
    policy: Policy = model.build(spec, seed=0)
    heat = np.ones(3, np.float32)
    decided = policy.act(observations(3), seeds=SEEDS[:3], temperature=heat)
    fields = model.decision_fields(spec)
    assert {name: (one.shape[1:], str(one.dtype)) for name, one in decided.items()} == {
        name: (field.shape, field.dtype) for name, field in fields.items()
    }
    action = decided["action"].astype(np.float32)
    assert np.all((action >= spec.action_low) & (action <= spec.action_high))


def test_samples_follow_the_recorded_probabilities(spec: SimulatorSpec, observations: Make) -> None:
    policy = OpenVLA().build(spec, seed=0)
    rows = {name: np.repeat(one, 600, 0) for name, one in observations(1).items()}
    seeds = np.arange(600, dtype=np.uint64)
    decided = policy.act(rows, seeds=seeds, temperature=np.full(600, 0.05, np.float32))
    tokens, log_prob = decided["tokens"][:, 0, 0], decided["log_prob"][:, 0, 0]
    likeliest = tokens == tokens[log_prob.argmax()]
    expected = float(np.exp(log_prob.max()))
    assert 0.02 < expected < 0.98
    assert abs(likeliest.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / 600)


def test_seed_decides_the_noise_and_greedy_has_none(
    spec: SimulatorSpec, observations: Make
) -> None:
    policy, rows = OpenVLA().build(spec, seed=0), observations(4)
    heat = np.ones(4, np.float32)
    one, two = (policy.act(rows, seeds=SEEDS[i : i + 4], temperature=heat) for i in (0, 3))
    assert not np.array_equal(one["tokens"], two["tokens"])
    cold = [policy.act(rows, seeds=SEEDS[i : i + 4], temperature=0 * heat) for i in (0, 3)]
    np.testing.assert_array_equal(cold[0]["tokens"], cold[1]["tokens"])


def test_imitation_is_the_likelihood_of_the_tokens(spec: SimulatorSpec, observations: Make) -> None:
    policy, rows = OpenVLA().build(spec, seed=0), observations(5)
    batch = rows | act(policy, rows, 1.0)
    # The two highest bins share a centre, so the token of an action may be its neighbour.
    keep = (batch["tokens"] > policy.module.architecture.bins.start + 1).all((1, 2))
    loss = policy.imitate(batch).detach().numpy()
    np.testing.assert_allclose(loss[keep], -batch["log_prob"].mean((1, 2))[keep], atol=1e-5)


def test_imitation_lowers_its_loss_and_leaves_no_trained_weight_out(
    spec: SimulatorSpec, observations: Make
) -> None:
    policy, rows = OpenVLA().build(spec, seed=0), observations(4)
    action = np.random.default_rng(1).uniform(0, 0.5, (4, 1, 4)).astype(np.float32)
    batch = rows | {"action": action}
    trained = {n: p for n, p in policy.module.named_parameters() if p.requires_grad}
    losses: list[float] = []
    gradients: tuple[torch.Tensor, ...] = ()
    for _ in range(8):
        loss = policy.imitate(batch).mean()
        gradients = torch.autograd.grad(loss, list(trained.values()), materialize_grads=True)
        with torch.no_grad():
            for weight, gradient in zip(trained.values(), gradients, strict=True):
                weight.sub_(gradient, alpha=0.05)
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.5
    unused = {n for n, g in zip(trained, gradients, strict=True) if not g.any()}
    assert {n for n in unused if not n.startswith("value_head.")} == set()


@pytest.mark.parametrize("detach", [True, False])
def test_value_gradients_reach_the_backbone_unless_detached(
    spec: SimulatorSpec, observations: Make, detach: bool
) -> None:
    policy = OpenVLA(detach=detach).build(spec, seed=0)
    rows = observations(2)
    value = policy.evaluate(rows | act(policy, rows, 1.0)).value.sum()
    weights = policy.module.value_head.get_parameter("0.weight"), policy.module.projector.fc1.weight
    own, reached = torch.autograd.grad(value, weights, materialize_grads=True)
    assert own.any()
    assert reached.any() != detach


def test_instruction_and_every_camera_matter(spec: SimulatorSpec, observations: Make) -> None:
    wide = replace(spec, cameras={"top": (32, 32), "wrist": (48, 40)})
    policy, rows = OpenVLA().build(wide, seed=0), observations(2)
    rows["image/wrist"] = np.zeros((2, 48, 40, 3), np.uint8)
    before = policy.value(rows)
    for name in ("image/top", "image/wrist", "instruction"):
        other = rows[name].copy()
        other[0] = rows["instruction"][1] if name == "instruction" else 255
        after = policy.value(rows | {name: other})
        assert after[0] != before[0]
        torch.testing.assert_close(after[1], before[1], atol=1e-6, rtol=0)


def test_equal_seeds_build_equal_policies(spec: SimulatorSpec) -> None:
    state = torch.get_rng_state()
    one, two, other = (OpenVLA().build(spec, seed=seed).module.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    name = "language_model.lm_head.weight"
    assert not torch.equal(one[name], other[name])
    assert torch.equal(state, torch.get_rng_state())


def test_privileged_critic_needs_privileged_state(spec: SimulatorSpec) -> None:
    with pytest.raises(ValueError, match="needs a simulator with privileged state"):
        OpenVLA(critic="privileged").build(replace(spec, privileged=0), seed=0)


def test_prompt_without_a_place_for_the_task_is_refused() -> None:
    with pytest.raises(ValueError, match=r"prompt must contain \{task\}, got 'Do it\.'"):
        OpenVLA(prompt="Do it.")


def test_options_are_imported_without_torch() -> None:
    code = (
        "import sys, rlvla.plugins.models.openvla as m; m.OpenVLA(); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"


def test_neighbouring_bins_begin_alike(spec: SimulatorSpec) -> None:
    network = OpenVLA().build(spec, seed=0).module
    rows = network.language_model.lm_head.weight[network.architecture.bins].detach()
    near = torch.cosine_similarity(rows[:-1], rows[1:]).mean()
    far = torch.cosine_similarity(rows[:-128], rows[128:]).mean()
    assert near > 0.95
    assert far < 0.8
