from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import safetensors.numpy
import torch

from rlvla.plugins.models.lora import LoRA
from rlvla.plugins.models.openvla import OpenVLA
from rlvla.plugins.models.openvla.checkpoint import save_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rlvla.core.types import Array, SimulatorSpec

    Make = Callable[[int], dict[str, Array]]


CRITICS: tuple[Literal["privileged"], Literal["head"]] = ("privileged", "head")
FILES: Any = safetensors.numpy  # leaves PathLike without its argument


def test_checkpoint_returns_the_same_bits(spec: SimulatorSpec, tmp_path: Path) -> None:
    policy = OpenVLA().build(spec, seed=0)
    save_checkpoint(policy, tmp_path)
    again = OpenVLA(checkpoint=str(tmp_path)).build(spec, seed=1)
    one, two = policy.module.state_dict(), again.module.state_dict()
    assert list(one) == list(two)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert again.module.architecture == policy.module.architecture


def test_checkpoint_keeps_the_range_of_its_actions(
    spec: SimulatorSpec, observations: Make, tmp_path: Path
) -> None:
    policy = OpenVLA().build(spec, seed=0)
    save_checkpoint(policy, tmp_path)
    wider = replace(spec, action_low=(-9.0,) * 4, action_high=(9.0,) * 4)
    again = OpenVLA(checkpoint=str(tmp_path)).build(wider, seed=0)
    seeds, heat = np.arange(3, dtype=np.uint64), np.ones(3, np.float32)
    one, two = (p.act(observations(3), seeds=seeds, temperature=heat) for p in (policy, again))
    np.testing.assert_array_equal(one["action"], two["action"])


def test_value_head_may_be_absent_but_nothing_else(spec: SimulatorSpec, tmp_path: Path) -> None:
    policy = OpenVLA().build(spec, seed=0)
    save_checkpoint(policy, tmp_path)
    state = FILES.load_file(tmp_path / "model.safetensors")
    without = {name: one for name, one in state.items() if not name.startswith("value_head.")}
    FILES.save_file(without, tmp_path / "model.safetensors")
    fresh = OpenVLA(checkpoint=str(tmp_path)).build(spec, seed=0).module
    assert torch.equal(fresh.projector.fc1.weight, policy.module.projector.fc1.weight)
    without["projector.fc9.weight"] = without.pop("projector.fc1.weight")
    without["projector.fc1.bias"] = np.zeros(3, np.float32)
    FILES.save_file(without, tmp_path / "model.safetensors")
    faults = (
        r"does not fit the network: missing: projector\.fc1\.weight; "
        r"unexpected: projector\.fc9\.weight; of another shape: projector\.fc1\.bias"
    )
    with pytest.raises(ValueError, match=faults):
        OpenVLA(checkpoint=str(tmp_path)).build(spec, seed=0)


def test_value_head_of_another_critic_is_left_behind(spec: SimulatorSpec, tmp_path: Path) -> None:
    save_checkpoint(OpenVLA(critic="privileged").build(spec, seed=0), tmp_path)
    own, other = (
        OpenVLA(checkpoint=str(tmp_path), critic=critic).build(spec, seed=1).module.value_head
        for critic in CRITICS
    )
    fresh = OpenVLA().build(spec, seed=1).module.value_head
    assert own.get_parameter("0.weight").shape == (64, spec.privileged)
    assert other.get_parameter("0.weight").shape == fresh.get_parameter("0.weight").shape


def test_missing_checkpoint_is_named(spec: SimulatorSpec, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no file config\.json in"):
        OpenVLA(checkpoint=str(tmp_path)).build(spec, seed=0)
    with pytest.raises(ValueError, match=r"'rlvla:nothing' has no file config\.json"):
        OpenVLA(checkpoint="rlvla:nothing").build(spec, seed=0)


def test_statistics_are_chosen_by_name(spec: SimulatorSpec, tmp_path: Path) -> None:
    save_checkpoint(OpenVLA().build(spec, seed=0), tmp_path)
    entry = {"action": {"q01": [0.0] * 4, "q99": [2.0] * 4, "mask": [True, True, True, False]}}
    path = tmp_path / "dataset_statistics.json"
    path.write_text(json.dumps({"one": entry, "two": entry}))
    options = OpenVLA(checkpoint=str(tmp_path))
    with pytest.raises(ValueError, match="statistics must name one of one, two"):
        options.build(spec, seed=0)
    with pytest.raises(ValueError, match="statistics 'six' are not in the checkpoint"):
        replace(options, statistics="six").build(spec, seed=0)
    built = replace(options, statistics="two").build(spec, seed=0)
    assert built.reading.statistics.plain() == entry["action"]
    narrow = replace(spec, action_low=(0.0,), action_high=(1.0,))
    with pytest.raises(ValueError, match="actions have 4 dimensions, the simulator's have 1"):
        replace(options, statistics="two").build(narrow, seed=0)


def test_lora_trains_only_adapters_and_value_head(spec: SimulatorSpec) -> None:
    policy = OpenVLA(lora=LoRA(r=4, alpha=8)).build(spec, seed=0)
    trained = {name for name, one in policy.module.named_parameters() if one.requires_grad}
    assert all(".lora_" in name or name.startswith("value_head.") for name in trained)
    assert {name.split(".")[0] for name in trained} == {
        "vision_backbone",
        "projector",
        "language_model",
        "value_head",
    }
    assert not any(
        "blocks.2." in name or "attn_pool" in name for name in trained if "vision" in name
    )


def test_lora_checkpoint_is_merged_into_the_published_layout(
    spec: SimulatorSpec, observations: Make, tmp_path: Path
) -> None:
    policy = OpenVLA(lora=LoRA(r=4, alpha=8)).build(spec, seed=0)
    plain = OpenVLA().build(spec, seed=0)
    for name, one in policy.module.named_parameters():
        if ".lora_B." in name:
            torch.nn.init.normal_(one, std=0.05, generator=torch.Generator().manual_seed(0))
    save_checkpoint(policy, tmp_path)
    again = OpenVLA(checkpoint=str(tmp_path)).build(spec, seed=0)
    assert list(again.module.state_dict()) == list(plain.module.state_dict())
    rows = observations(3)
    values = [p.value(rows).detach() for p in (policy, again, plain)]
    torch.testing.assert_close(values[0], values[1], atol=1e-5, rtol=0)
    assert (values[0] - values[2]).abs().max() > 1e-3


@pytest.mark.parametrize("lora", [None, LoRA(r=4)])
def test_a_saved_policy_is_restored_bit_for_bit(
    spec: SimulatorSpec, tmp_path: Path, lora: LoRA | None
) -> None:
    options = OpenVLA(lora=lora)
    policy, again = (options.build(spec, seed=0) for _ in range(2))
    random = torch.Generator().manual_seed(1)
    for weight in policy.module.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, generator=random)
    policy.save(str(tmp_path))
    again.load(str(tmp_path))
    one, two = policy.module.state_dict(), again.module.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_adapter_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match="r must be at least 1, got 0"):
        LoRA(r=0)
    with pytest.raises(ValueError, match="alpha must be at least 1, got 0"):
        LoRA(alpha=0)


def test_full_size_without_a_checkpoint_is_refused(spec: SimulatorSpec) -> None:
    with pytest.raises(ValueError, match="'7b' needs a checkpoint"):
        OpenVLA(preset="7b").build(spec, seed=0)
