from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
import torch

from rlvla.core.testing.model import check_model
from rlvla.core.types import encode_instruction
from rlvla.plugins.algorithms.ppo import PPO
from rlvla.plugins.models.openvla.actions import tokens_of
from rlvla.plugins.models.openvla_oft import OpenVLAOFT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rlvla.core.types import Array, SimulatorSpec
    from rlvla.plugins.models.openvla_oft.policy import ParallelPolicy

    Make = Callable[[int], dict[str, Array]]

SEEDS = np.arange(7, dtype=np.uint64) + 2**63
REGRESSION = OpenVLAOFT(head="l1", proprio=True, chunk=3)


def act(
    policy: ParallelPolicy, rows: dict[str, Array], temperature: float = 1.0, *, first: int = 0
) -> dict[str, Array]:
    count = len(rows["instruction"])
    heat = np.full(count, temperature, np.float32)
    return dict(policy.act(rows, seeds=SEEDS[first : first + count], temperature=heat))


def one_row(rows: dict[str, Array], i: int) -> dict[str, Array]:
    return {name: one[i : i + 1] for name, one in rows.items()}


@pytest.mark.parametrize(
    "model",
    [
        OpenVLAOFT(),
        OpenVLAOFT(proprio=True, chunk=3, values="action"),
        OpenVLAOFT(critic="privileged", chunk=2, values="action", detach=True),
    ],
)
def test_model_keeps_its_contract(spec: SimulatorSpec, model: OpenVLAOFT) -> None:
    check_model(model, spec)


def test_a_tiny_chunk_is_two_actions_of_few_parameters(spec: SimulatorSpec) -> None:
    tabletop = replace(spec, cameras={"top": (64, 64), "front": (64, 64)})
    model = OpenVLAOFT()
    assert model.decision_fields(tabletop)["tokens"].shape == (2, 4)
    for options in (model, replace(model, head="l1", proprio=True)):
        parameters = options.build(tabletop, seed=0).module.parameters()
        assert sum(one.numel() for one in parameters) <= 700_000


def test_families_decide_the_length_of_a_chunk(spec: SimulatorSpec) -> None:
    models = [
        OpenVLAOFT(family="libero"),
        OpenVLAOFT(family="aloha"),
        OpenVLAOFT(family="bridge"),
        OpenVLAOFT(family="aloha", chunk=4),
    ]
    lengths = [model.decision_fields(spec)["action"].shape[0] for model in models]
    assert lengths == [8, 25, 5, 4]
    with pytest.raises(ValueError, match="chunk must be at least 1, got 0"):
        OpenVLAOFT(chunk=0)


def test_options_are_read_without_torch(tmp_path: Path, spec: SimulatorSpec) -> None:
    """Even those of a checkpoint, whose chunks a manifest's check wants to know."""
    OpenVLAOFT(chunk=6).build(spec, seed=0).save(str(tmp_path))
    code = (
        "import sys; from rlvla.core.types import SimulatorSpec; import rlvla.plugins.models."
        f"openvla_oft as m; fields = m.OpenVLAOFT(checkpoint={str(tmp_path)!r})."
        f"decision_fields({spec!r}); print(fields['action'].shape, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "(6, 4) False"


@pytest.mark.parametrize("head", ["discrete", "l1"])
def test_rows_do_not_depend_on_the_rest_of_the_batch(
    spec: SimulatorSpec, observations: Make, head: Literal["discrete", "l1"]
) -> None:
    """Prompts are of different lengths, so that each row alone has other padding."""
    policy, rows = replace(REGRESSION, head=head).build(spec, seed=0), observations(7)
    whole = act(policy, rows)
    alone = [act(policy, one_row(rows, i), first=i) for i in range(7)]
    assert len(set(policy.reading.prompter(rows["instruction"]).lengths)) > 1
    for name in whole:
        parts = np.concatenate([one[name] for one in alone])
        np.testing.assert_allclose(whole[name], parts, atol=1e-5, err_msg=name)


def test_every_element_sees_the_end_of_the_sequence(
    spec: SimulatorSpec, observations: Make
) -> None:
    policy, rows = OpenVLAOFT(chunk=2).build(spec, seed=0), observations(1)
    with torch.no_grad():
        before = policy.evaluate(rows | act(policy, rows)).log_prob
        policy.module.language_model.model.embed_tokens.weight[2] += 1
        after = policy.evaluate(rows | act(policy, rows)).log_prob
    assert (before != after).all()


def test_a_decision_is_the_product_of_its_elements(spec: SimulatorSpec, observations: Make) -> None:
    """Other tokens of the same decision change no element's probability."""
    policy, rows = OpenVLAOFT(chunk=2).build(spec, seed=0), observations(3)
    decided = act(policy, rows)
    tokens = decided["tokens"].copy()
    tokens[:, 0, 1] = policy.module.architecture.bins.start
    one, two = (
        policy.evaluate(rows | decided | {"tokens": each}).log_prob.detach().numpy()
        for each in (decided["tokens"], tokens)
    )
    same = tokens == decided["tokens"]
    np.testing.assert_array_equal(one[same], two[same])
    assert (one[~same] != two[~same]).all()


def test_temperature_flattens_the_recorded_probabilities(
    spec: SimulatorSpec, observations: Make
) -> None:
    policy, rows = OpenVLAOFT(chunk=2).build(spec, seed=0), observations(2)
    for temperature in (0.5, 1.6):
        decided = act(policy, rows, temperature)
        expected = (plain_logits(policy, rows) / temperature).log_softmax(-1).view(2, 2, 4, 256)
        places = torch.tensor(decided["tokens"]) - policy.module.architecture.bins.start
        chosen = expected.gather(-1, places[..., None])[..., 0]
        np.testing.assert_allclose(decided["log_prob"], chosen.numpy(), atol=1e-5)


@torch.no_grad()
def plain_logits(policy: ParallelPolicy, rows: dict[str, Array]) -> torch.Tensor:
    """Return the logits of the bins of two actions."""
    network, reading = policy.module, policy.reading
    views = [reading.view(torch.tensor(rows["image/top"]))]
    prompts = reading.prompter(rows["instruction"])
    ids, lengths = torch.tensor(prompts.ids), torch.tensor(prompts.lengths)
    prefix = network.prefix(network.patches(views), ids, lengths)
    return network.bin_logits(network.answers(prefix, 8))


def test_imitation_is_the_likelihood_of_what_was_executed(
    spec: SimulatorSpec, observations: Make
) -> None:
    policy, rows = OpenVLAOFT(chunk=3).build(spec, seed=0), observations(4)
    decided = act(policy, rows)
    tokens = tokens_of(decided["action"], policy.reading.statistics, 640)
    valid = np.array([[True] * 3, [True, True, False], [True, False, False], [False] * 3])
    batch = rows | decided | {"tokens": tokens, "valid": valid}
    loss = policy.imitate(batch).detach().numpy()
    log_prob = policy.evaluate(batch).log_prob.detach().numpy().mean(-1)
    expected = [-log_prob[i, : valid[i].sum()].mean() for i in range(3)]
    np.testing.assert_allclose(loss[:3], expected, atol=1e-5)
    assert loss[3] == 0
    batch["action"][1, 2] = 5.0
    np.testing.assert_array_equal(policy.imitate(batch).detach().numpy(), loss)


def test_regression_learns_the_distance_on_the_scale_of_the_statistics(
    spec: SimulatorSpec, observations: Make
) -> None:
    policy, rows = REGRESSION.build(spec, seed=0), observations(3)
    decided = act(policy, rows)
    low, high = np.array(spec.action_low), np.array(spec.action_high)
    action = np.clip(decided["action"] + (high - low) / 20, low, high)
    unit = 2 * np.abs(action - decided["action"]) / (high - low)
    loss = policy.imitate(rows | {"action": action.astype(np.float32)}).detach().numpy()
    inside = (decided["action"] > low).all((1, 2)) & (decided["action"] < high).all((1, 2))
    assert inside.any()
    np.testing.assert_allclose(loss[inside], unit.mean((1, 2))[inside], atol=1e-5)


def test_regression_has_no_density(spec: SimulatorSpec, observations: Make) -> None:
    policy, rows = REGRESSION.build(spec, seed=0), observations(2)
    fields = REGRESSION.decision_fields(spec)
    decided = act(policy, rows)
    assert set(fields) == set(decided) == {"action", "value"}
    assert {name: one.shape[1:] for name, one in decided.items()} == {
        name: field.shape for name, field in fields.items()
    }
    with pytest.raises(ValueError, match="ratio_level needs a model that records log_prob"):
        PPO().check(spec, fields)
    with pytest.raises(ValueError, match="head 'l1' has no density"):
        policy.evaluate(rows | decided)


def test_regression_stays_in_the_bounds_of_the_simulator(
    spec: SimulatorSpec, observations: Make
) -> None:
    policy = REGRESSION.build(spec, seed=0)
    assert policy.module.action_head is not None
    torch.nn.init.constant_(policy.module.action_head.model.fc2.bias, 3.0)
    expected = np.broadcast_to(np.array(spec.action_high, np.float32), (2, 3, 4))
    np.testing.assert_array_equal(act(policy, observations(2))["action"], expected)


@pytest.mark.parametrize("options", [OpenVLAOFT(chunk=2, proprio=True), REGRESSION])
def test_imitation_leaves_no_trained_weight_out(
    spec: SimulatorSpec, observations: Make, options: OpenVLAOFT
) -> None:
    policy, rows = options.build(spec, seed=0), observations(4)
    chunk = policy.extent.chunk
    action = np.random.default_rng(1).uniform(0, 0.5, (4, chunk, 4)).astype(np.float32)
    batch = rows | {"action": action}
    trained = {n: p for n, p in policy.module.named_parameters() if p.requires_grad}
    losses: list[float] = []
    gradients: tuple[torch.Tensor, ...] = ()
    for _ in range(8):
        loss = policy.imitate(batch).mean()
        gradients = torch.autograd.grad(loss, list(trained.values()), materialize_grads=True)
        with torch.no_grad():
            for weight, gradient in zip(trained.values(), gradients, strict=True):
                weight.sub_(gradient, alpha=0.03)
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.02
    unused = {n for n, g in zip(trained, gradients, strict=True) if not g.any()}
    assert {n for n in unused if not n.startswith("value_head.")} == set()


def test_everything_that_is_shown_matters(spec: SimulatorSpec, observations: Make) -> None:
    wide = replace(spec, cameras={"top": (32, 32), "wrist": (48, 40)})
    policy, rows = OpenVLAOFT(proprio=True, chunk=2).build(wide, seed=0), observations(2)
    rows["image/wrist"] = np.zeros((2, 48, 40, 3), np.uint8)
    before = policy.value(rows)
    for name in ("image/top", "image/wrist", "instruction", "proprio"):
        other = rows[name].copy()
        other[0] = rows["instruction"][1] if name == "instruction" else 200
        after = policy.value(rows | {name: other})
        assert after[0] != before[0], name
        torch.testing.assert_close(after[1], before[1], atol=1e-6, rtol=0)


def test_cameras_are_shown_in_the_order_of_their_names(
    spec: SimulatorSpec, observations: Make
) -> None:
    wide = replace(spec, cameras={"top": (32, 32), "wrist": (32, 32)})
    rows = observations(1)
    rows["image/wrist"] = 255 - rows["image/top"]
    both, swapped, alone = (
        OpenVLAOFT(cameras=cameras).build(wide, seed=0)
        for cameras in (None, ["wrist", "top"], ["top"])
    )
    turned = rows | {"image/top": rows["image/wrist"], "image/wrist": rows["image/top"]}
    torch.testing.assert_close(both.value(rows), swapped.value(turned), atol=0, rtol=0)
    assert both.value(rows) != swapped.value(rows)
    assert alone.value(rows) == alone.value(rows | {"image/wrist": rows["image/top"]})
    with pytest.raises(ValueError, match="no camera side; the simulator has top, wrist"):
        OpenVLAOFT(cameras=["side"]).build(wide, seed=0)


def test_proprio_needs_a_simulator_that_shows_it(spec: SimulatorSpec) -> None:
    with pytest.raises(ValueError, match="proprio needs a simulator with proprioception"):
        OpenVLAOFT(proprio=True).build(replace(spec, proprio=0), seed=0)


def test_padding_is_seen_by_nobody(spec: SimulatorSpec, observations: Make) -> None:
    policy, rows = OpenVLAOFT(chunk=2).build(spec, seed=0), observations(2)
    rows["instruction"][0] = encode_instruction("reach")
    before = policy.value(rows)
    with torch.no_grad():
        policy.module.language_model.model.embed_tokens.weight[0] += 10
    torch.testing.assert_close(policy.value(rows), before, atol=0, rtol=0)
