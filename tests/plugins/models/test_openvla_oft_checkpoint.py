from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import safetensors.torch
import torch

from rlvla.plugins.models.lora import LoRA
from rlvla.plugins.models.openvla import OpenVLA, presets
from rlvla.plugins.models.openvla_oft import OpenVLAOFT
from rlvla.plugins.models.openvla_oft.heads import ActionHead, ProprioProjector
from rlvla.plugins.models.openvla_oft.network import ParallelNetwork

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from rlvla.core.types import Array, SimulatorSpec
    from rlvla.plugins.models.openvla_oft.policy import ParallelPolicy

    Make = Callable[[int], dict[str, Array]]

FILES: Any = safetensors.torch  # leaves PathLike without its argument
FULL = OpenVLAOFT(head="l1", proprio=True, chunk=3)
KINDS = [OpenVLAOFT(chunk=3, values="action"), FULL, replace(FULL, lora=LoRA(r=4))]


@pytest.fixture
def published(spec: SimulatorSpec, tmp_path: Path) -> Path:
    """A checkpoint with OFT's heads in files of their own, as published."""
    path = tmp_path / "published"
    path.mkdir()
    FULL.build(spec, seed=3).save(str(path))
    state = FILES.load_file(path / "model.safetensors")
    for head in ("action_head", "proprio_projector"):
        own = {name: state.pop(name) for name in list(state) if name.startswith(f"{head}.")}
        named = {f"module.{name.removeprefix(f'{head}.')}": one for name, one in own.items()}
        torch.save(named, path / f"{head}--100_checkpoint.pt")
    FILES.save_file(without(state, "value_head."), path / "model.safetensors")
    config = json.loads((path / "config.json").read_text())
    numbers = {"q01": [0.0] * 4, "q99": [2.0] * 4}
    proprio = {"q01": [-1.0, 0.0, 0.0], "q99": [1.0, 2.0, 0.5]}
    config["norm_stats"] = {"robot": {"action": numbers, "proprio": proprio}}
    (path / "config.json").write_text(json.dumps(config))
    return path


def without(state: dict[str, Tensor], stem: str) -> dict[str, Tensor]:
    return {name: one for name, one in state.items() if not name.startswith(stem)}


def at(path: Path, options: OpenVLAOFT = FULL) -> OpenVLAOFT:
    return replace(options, checkpoint=str(path))


def act(policy: ParallelPolicy, rows: dict[str, Array]) -> dict[str, Array]:
    count = len(rows["instruction"])
    seeds = np.arange(count, dtype=np.uint64)
    return dict(policy.act(rows, seeds=seeds, temperature=np.ones(count, np.float32)))


def test_component_files_are_the_heads(
    spec: SimulatorSpec, observations: Make, published: Path
) -> None:
    made, read = FULL.build(spec, seed=3).module, at(published).build(spec, seed=9)
    one, two = made.state_dict(), read.module.state_dict()
    assert list(one) == list(two)
    for name, weight in without(one, "value_head.").items():
        assert torch.equal(weight, two[name]), name
    assert read.extent.proprio is not None
    assert read.extent.proprio.plain()["q99"] == [1.0, 2.0, 0.5]
    assert act(read, observations(2))["action"].shape == (2, 3, 4)


def test_proprio_is_scaled_and_cut(spec: SimulatorSpec, published: Path) -> None:
    scale = at(published).build(spec, seed=0).extent.proprio
    assert scale is not None
    unit = scale.unit(np.array([[0.5, 1.0, 9.0], [-3.0, 2.0, 0.25]]))
    np.testing.assert_allclose(unit, [[0.5, 0.0, 1.0], [-1.0, 1.0, 0.0]], atol=1e-6)


def test_discrete_policy_leaves_the_heads_alone(spec: SimulatorSpec, published: Path) -> None:
    network = at(published, OpenVLAOFT()).build(spec, seed=0).module
    assert network.action_head is None
    assert network.proprio_projector is None
    assert network.language_model.lm_head.weight.requires_grad
    regression = at(published).build(spec, seed=0).module
    assert not regression.language_model.lm_head.weight.requires_grad


def test_a_missing_head_is_an_error_unless_it_may_be_made(
    spec: SimulatorSpec, published: Path
) -> None:
    (published / "action_head--100_checkpoint.pt").unlink()
    with pytest.raises(ValueError, match=r"has no file action_head--\*\.pt, which head 'l1'"):
        at(published).build(spec, seed=0)
    one, two = (at(published, replace(FULL, fresh=True)).build(spec, seed=i) for i in (0, 1))
    heads = [policy.module.action_head for policy in (one, two)]
    weights = [head.model.fc1.weight for head in heads if head is not None]
    assert not torch.equal(*weights)
    assert not any(one.is_meta for one in two.module.state_dict().values())


def test_several_files_of_a_head_are_refused(spec: SimulatorSpec, published: Path) -> None:
    file = published / "action_head--100_checkpoint.pt"
    shutil.copy(file, published / "action_head--200_checkpoint.pt")
    with pytest.raises(ValueError, match=r"one action_head--\*\.pt, it has .*100.*, .*200"):
        at(published).build(spec, seed=0)


def test_all_misfits_are_listed_at_once(spec: SimulatorSpec, published: Path) -> None:
    file = published / "action_head--100_checkpoint.pt"
    state = torch.load(file, weights_only=True)
    state["module.model.fc9.bias"] = state.pop("module.model.fc2.bias")
    torch.save(state, file)
    weights = FILES.load_file(published / "model.safetensors")
    weights["projector.fc1.bias"] = torch.zeros(3)
    FILES.save_file(weights, published / "model.safetensors")
    faults = (
        r"missing: action_head\.model\.fc2\.bias; unexpected: action_head\.model\.fc9\.bias; "
        r"of another shape: projector\.fc1\.bias"
    )
    with pytest.raises(ValueError, match=faults):
        at(published).build(spec, seed=0)


def test_a_component_is_only_read_as_tensors(spec: SimulatorSpec, published: Path) -> None:
    file = published / "proprio_projector--100_checkpoint.pt"
    torch.save({"module.fc1.weight": Path("/")}, file)
    with pytest.raises(ValueError, match=r"proprio_projector--100_checkpoint\.pt cannot be read"):
        at(published).build(spec, seed=0)
    torch.save([1, 2], file)
    with pytest.raises(ValueError, match="holds no tensors by name"):
        at(published).build(spec, seed=0)


@pytest.mark.parametrize(
    ("name", "what"), [("vision_backbone", "FiLM"), ("noisy_action_projector", "diffusion")]
)
def test_other_kinds_of_fine_tunes_are_refused(
    spec: SimulatorSpec, published: Path, name: str, what: str
) -> None:
    torch.save({}, published / f"{name}--100_checkpoint.pt")
    with pytest.raises(ValueError, match=rf"{name}--\*\.pt: .*{what}"):
        at(published).build(spec, seed=0)


def test_statistics_must_fit_what_is_shown(spec: SimulatorSpec, published: Path) -> None:
    with pytest.raises(ValueError, match=r"proprio of the checkpoint has 3 .* simulator's has 5"):
        at(published).build(replace(spec, proprio=5), seed=0)
    config = json.loads((published / "config.json").read_text())
    del config["norm_stats"]["robot"]["proprio"]
    (published / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="'robot' of the checkpoint lack q01, q99 of proprio"):
        at(published).build(spec, seed=0)


@pytest.mark.parametrize("options", KINDS)
def test_a_saved_policy_is_restored_bit_for_bit(
    spec: SimulatorSpec, observations: Make, tmp_path: Path, options: OpenVLAOFT
) -> None:
    policy, again = (options.build(spec, seed=0) for _ in range(2))
    random = torch.Generator().manual_seed(1)
    for weight in policy.module.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.1, generator=random)
    policy.save(str(tmp_path))
    again.load(str(tmp_path))
    one, two = policy.module.state_dict(), again.module.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    built = at(tmp_path, replace(options, chunk=None, lora=None)).build(spec, seed=5)
    rows = observations(2)
    for name, expected in act(policy, rows).items():
        np.testing.assert_allclose(act(built, rows)[name], expected, atol=1e-4, err_msg=name)


def test_a_checkpoint_says_how_long_its_chunks_are(spec: SimulatorSpec, tmp_path: Path) -> None:
    OpenVLAOFT(chunk=5).build(spec, seed=0).save(str(tmp_path))
    saved = OpenVLAOFT(checkpoint=str(tmp_path))
    assert saved.decision_fields(spec)["action"].shape == (5, 4)
    assert replace(saved, chunk=2).decision_fields(spec)["action"].shape == (2, 4)
    with pytest.raises(ValueError, match=r"checkpoint '/nowhere' has no file config\.json"):
        OpenVLAOFT(checkpoint="/nowhere").decision_fields(spec)


def test_a_value_head_of_another_size_is_left_behind(spec: SimulatorSpec, tmp_path: Path) -> None:
    OpenVLAOFT(chunk=3).build(spec, seed=0).save(str(tmp_path))
    more = OpenVLAOFT(checkpoint=str(tmp_path), values="action")
    fresh = OpenVLAOFT(chunk=3, values="action").build(spec, seed=4).module.value_head
    head = more.build(spec, seed=4).module.value_head
    assert torch.equal(head.get_parameter("4.weight"), fresh.get_parameter("4.weight"))


def test_openvla_can_be_taught_to_decide_chunks(spec: SimulatorSpec, tmp_path: Path) -> None:
    OpenVLA().build(spec, seed=0).save(str(tmp_path))
    policy = OpenVLAOFT(checkpoint=str(tmp_path), head="l1", proprio=True, fresh=True)
    with pytest.raises(ValueError, match="lack q01, q99 of proprio"):
        policy.build(spec, seed=0)
    replace(policy, statistics="simulator").build(spec, seed=0)


def test_lora_trains_adapters_and_heads(spec: SimulatorSpec) -> None:
    lists = ["qkv", "fc1", "fc2", "q_proj", "v_proj", "lm_head"]
    for lora in (LoRA(r=4), LoRA(r=4, target_modules=lists)):
        network = replace(FULL, head="discrete", lora=lora).build(spec, seed=0).module
        trained = {name for name, one in network.named_parameters() if one.requires_grad}
        assert all(
            ".lora_" in name or name.startswith(("value_head.", "proprio_projector."))
            for name in trained
        )
        assert any(name.startswith("language_model.model.layers.0.self_attn") for name in trained)
        listed = "language_model.lm_head.lora_A.default.weight" in trained
        assert listed == (lora.target_modules != "all-linear")


def test_full_size_is_that_of_openvla_with_oft_heads() -> None:
    sizes, width = presets.published(), 4096
    with torch.device("meta"):
        heads = ActionHead(width, 7), ProprioProjector(8, width)
        network = ParallelNetwork(sizes, torch.nn.Identity(), *heads)
    square = width * width + width
    regression = (2 * 7 * width) + (7 * width * width + width) + 2 * (2 * width + square)
    regression += 2 * width + (7 * width + 7)
    projector = (8 * width + width) + square
    total = sum(one.numel() for one in network.parameters())
    assert total == 7_541_237_184 + regression + projector


def test_full_size_without_a_checkpoint_is_refused(spec: SimulatorSpec) -> None:
    with pytest.raises(ValueError, match="'7b' needs a checkpoint"):
        OpenVLAOFT(preset="7b").build(spec, seed=0)
