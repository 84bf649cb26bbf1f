"""What is exported is read by others: by peft, by transformers, and strictly by our own loaders."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import peft
import pytest
import safetensors.torch
import torch

from rlvla.core.agreement import TOLERANCE, compare
from rlvla.plugins.models.exporting import whole
from rlvla.plugins.models.lora import LoRA
from rlvla.plugins.models.openvla import OpenVLA
from rlvla.plugins.models.openvla_oft import OpenVLAOFT
from rlvla.plugins.models.pi0 import Pi0, Pi05
from rlvla.plugins.models.tensors import read_tensors, write_parts

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from rlvla.core.types import SimulatorSpec

FILES: Any = safetensors.torch  # leaves PathLike without its argument
PEFT: Any = peft
MODELS: dict[str, Any] = {
    "openvla": OpenVLA(),
    "openvla_oft": OpenVLAOFT(chunk=2),
    "l1": OpenVLAOFT(chunk=2, head="l1", proprio=True),
    "pi0": Pi0(chunk=2),
    "pi05": Pi05(),
}
OPENVLA, PI = ("openvla", "openvla_oft", "l1"), ("pi0", "pi05")
ORIGINS = [*((name, "openvla") for name in OPENVLA), *((name, "openpi") for name in PI)]
LEROBOT = [(name, "lerobot") for name in PI]


def trained(options: Any, spec: SimulatorSpec) -> Any:  # noqa: ANN401 - of any family
    """Return a policy whose trained weights are not those of the seed."""
    policy = options.build(spec, seed=0)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for one in policy.module.parameters():
            if one.requires_grad:
                one += 0.02 * torch.randn(one.shape, generator=random)
    return policy


def based(name: str, spec: SimulatorSpec, folder: Path) -> Any:  # noqa: ANN401 - of any family
    """Return options that train adapters on a checkpoint."""
    folder.mkdir()
    trained(MODELS[name], spec).save(str(folder))
    return replace(MODELS[name], checkpoint=str(folder), lora=LoRA(r=4))


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def alike(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    for name, ours in one.items():
        torch.testing.assert_close(ours, two[name], atol=1e-5, rtol=1e-5)


def own(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what is not of a value head or a count."""
    return {n: one for n, one in state.items() if not n.startswith(("value_head.", "imitated"))}


@pytest.mark.parametrize(("name", "to"), ORIGINS + LEROBOT)
@pytest.mark.parametrize("lora", [None, LoRA(r=4)])
def test_an_export_is_the_policy(
    spec: SimulatorSpec, tmp_path: Path, name: str, to: str, lora: LoRA | None
) -> None:
    options = replace(MODELS[name], lora=lora)
    policy = trained(options, spec)
    for layout in (to, "merged"):
        exporter, folder = options.exports[layout], tmp_path / layout
        folder.mkdir()
        exporter.write(policy, folder)
        again = exporter.read(folder, spec, 7)
        found = compare(exporter, policy, again, spec)
        assert found.tensors == 0
        exact = lora is None and layout != "lerobot"  # which keeps statistics in float32
        assert found.outputs <= (0 if exact else TOLERANCE)
        other = compare(exporter, policy, MODELS[name].build(spec, seed=1), spec)
        assert not other.holds


@pytest.mark.parametrize(("name", "to"), [*ORIGINS, *LEROBOT])
@pytest.mark.parametrize("lora", [None, LoRA(r=4)])
def test_a_reduced_export_is_the_policy_to_eight_bits(
    spec: SimulatorSpec, tmp_path: Path, name: str, to: str, lora: LoRA | None
) -> None:
    options = replace(MODELS[name], lora=lora)
    policy, exporter = trained(options, spec), options.exports[to]
    exporter.write_reduced(policy, tmp_path)
    state = FILES.load_file(tmp_path / "model.safetensors")
    assert {one.dtype for one in state.values()} == {torch.bfloat16}
    assert '"bfloat16"' in (tmp_path / "config.json").read_text()
    again = exporter.read(tmp_path, spec, 7)
    found = compare(exporter, policy, again, spec, reduced=True)
    assert found.holds
    assert TOLERANCE < found.tensors <= 2**-8
    assert not compare(exporter, policy, again, spec).holds


def test_a_large_export_is_in_parts(spec: SimulatorSpec, tmp_path: Path) -> None:
    policy = trained(OpenVLA(), spec)
    state = whole(policy.module)
    write_parts(state, tmp_path, most=200_000)
    parts = sorted(file.name for file in tmp_path.glob("*.safetensors"))
    assert parts[0] == f"model-00001-of-{len(parts):05}.safetensors"
    assert len(parts) > 3
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert sorted({*index["weight_map"].values()}) == parts
    assert index["metadata"]["total_size"] == sum(4 * one.numel() for one in state.values())
    for part in parts:
        held = FILES.load_file(tmp_path / part)
        assert {index["weight_map"][name] for name in held} == {part}
        assert len(held) == 1 or sum(4 * one.numel() for one in held.values()) <= 200_000
    assert same(read_tensors(tmp_path), dict(state))


@pytest.mark.parametrize(("name", "to"), ORIGINS)
def test_a_second_export_of_what_was_read_is_the_same_files(
    spec: SimulatorSpec, tmp_path: Path, name: str, to: str
) -> None:
    exporter, policy = MODELS[name].exports[to], trained(MODELS[name], spec)
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        exporter.write(policy, folder)
        policy = exporter.read(folder, spec, 0)
    files = {one.relative_to(tmp_path / "one") for one in (tmp_path / "one").rglob("*.safetensors")}
    files |= {one.relative_to(tmp_path / "one") for one in (tmp_path / "one").rglob("*.pt")}
    assert files
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_adapters_are_read_by_peft_alone(spec: SimulatorSpec, tmp_path: Path, name: str) -> None:
    options = based(name, spec, tmp_path / "base")
    policy, exporter = trained(options, spec), options.exports["peft"]
    folder = tmp_path / "adapter"
    folder.mkdir()
    exporter.write(policy, folder)
    plain: nn.Module = replace(options, lora=None).build(spec, seed=0).module
    before = {n: one.clone() for n, one in whole(plain).items()}
    merged = PEFT.PeftModel.from_pretrained(plain, str(folder)).merge_and_unload().state_dict()
    components = ("action_head.", "proprio_projector.")  # which have files beside the adapter
    expected = {n: t for n, t in own(whole(policy.module)).items() if not n.startswith(components)}
    found = {n: t for n, t in own(merged).items() if not n.startswith(components)}
    alike(found, expected)
    assert any(not torch.equal(one, before[n]) for n, one in found.items())
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(tmp_path / "base")
    assert config["modules_to_save"] is None
    assert compare(exporter, policy, exporter.read(folder, spec, 7), spec).holds


@pytest.mark.parametrize("name", OPENVLA)
def test_adapters_are_also_read_by_our_own_loader(
    spec: SimulatorSpec, tmp_path: Path, name: str
) -> None:
    options = based(name, spec, tmp_path / "base")
    policy, folder = trained(options, spec), tmp_path / "adapter"
    folder.mkdir()
    options.exports["peft"].write(policy, folder)
    again = replace(options, checkpoint=str(folder), base=options.checkpoint, lora=None)
    alike(own(whole(again.build(spec, seed=0).module)), own(whole(policy.module)))


def test_layouts_are_those_that_the_options_allow(spec: SimulatorSpec, tmp_path: Path) -> None:
    assert sorted(OpenVLA().exports) == ["merged", "openvla"]
    assert sorted(OpenVLA(lora=LoRA()).exports) == ["merged", "openvla"]
    based("openvla", spec, tmp_path / "base")
    adapting = OpenVLA(lora=LoRA(), checkpoint=str(tmp_path / "base"))
    assert sorted(adapting.exports) == ["merged", "openvla", "peft"]
    assert "openpi" in Pi05().exports


def test_openvla_is_written_as_published(spec: SimulatorSpec, tmp_path: Path) -> None:
    policy = trained(OpenVLA(), spec)
    OpenVLA().exports["openvla"].write(policy, tmp_path)
    state = FILES.load_file(tmp_path / "model.safetensors")
    assert {name.partition(".")[0] for name in state} == {
        "vision_backbone",
        "projector",
        "language_model",
    }
    statistics = json.loads((tmp_path / "dataset_statistics.json").read_text())
    config = json.loads((tmp_path / "config.json").read_text())
    assert statistics == config["norm_stats"]
    assert statistics["rlvla"]["action"]["q99"] == list(spec.action_high)
    assert config["model_type"] == "openvla"
    code = "openvla/openvla-7b--modeling_prismatic.OpenVLAForActionPrediction"
    assert config["auto_map"]["AutoModelForVision2Seq"] == code
    assert config["text_config"]["pad_token_id"] == config["text_config"]["vocab_size"] - 64
    processor = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert processor["means"][0] == processor["tvf_normalize_params"][0]["mean"]
    assert processor["input_sizes"] == [[3, 32, 32]] * 2
    assert processor["auto_map"]["AutoProcessor"].endswith(".PrismaticProcessor")


def test_oft_heads_are_files_of_their_own(spec: SimulatorSpec, tmp_path: Path) -> None:
    options = MODELS["l1"]
    policy = trained(options, spec)
    options.exports["openvla"].write(policy, tmp_path)
    file = tmp_path / "action_head--latest_checkpoint.pt"
    state = torch.load(file, weights_only=True)
    assert torch.equal(state["module.model.fc2.bias"], policy.module.action_head.model.fc2.bias)
    assert (tmp_path / "proprio_projector--latest_checkpoint.pt").is_file()
    names = FILES.load_file(tmp_path / "model.safetensors")
    assert not any(name.startswith(("action_head", "value_head")) for name in names)


@pytest.mark.parametrize("name", PI)
def test_openpi_files_have_the_names_that_openpi_reads(
    spec: SimulatorSpec, tmp_path: Path, name: str
) -> None:
    policy = trained(MODELS[name], spec)
    MODELS[name].exports["openpi"].write(policy, tmp_path)
    state = FILES.load_file(tmp_path / "model.safetensors")
    extra = state.keys() - own(policy.module.state_dict()).keys()
    assert extra == {"paligemma_with_expert.gemma_expert.lm_head.weight"}
    assert {"noise_head", "value_head"} & {one.partition(".")[0] for one in state} == set()
    stats = json.loads((tmp_path / "assets" / "rlvla" / "norm_stats.json").read_text())
    low, high = (np.array(stats["norm_stats"]["actions"][key]) for key in ("q01", "q99"))
    np.testing.assert_allclose(low, spec.action_low, atol=1e-5)
    np.testing.assert_allclose(high, spec.action_high, atol=1e-5)


@pytest.mark.parametrize(("name", "place"), [("pi0", 5), ("pi05", 2)])
def test_lerobot_files_have_its_prefix_and_pipelines(
    spec: SimulatorSpec, tmp_path: Path, name: str, place: int
) -> None:
    exporter, policy = MODELS[name].exports["lerobot"], trained(MODELS[name], spec)
    exporter.write(policy, tmp_path)
    assert all(n.startswith("model.") for n in FILES.load_file(tmp_path / "model.safetensors"))
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["type"], config["chunk_size"]) == (name, policy.reading.interface.horizon)
    assert config["output_features"] == {"action": {"type": "ACTION", "shape": [4]}}
    steps = json.loads((tmp_path / "policy_preprocessor.json").read_text())["steps"]
    assert steps[place]["registry_name"] == "normalizer_processor"
    numbers = FILES.load_file(tmp_path / steps[place]["state_file"])
    back = json.loads((tmp_path / "policy_postprocessor.json").read_text())["steps"][0]
    assert back["registry_name"] == "unnormalizer_processor"
    again = FILES.load_file(tmp_path / back["state_file"])
    low, high = again["action.q01"].numpy(), again["action.q99"].numpy()
    np.testing.assert_allclose(low, spec.action_low, atol=1e-6)
    np.testing.assert_allclose(high, spec.action_high, atol=1e-6)
    middle = (again["action.mean"] + again["action.std"]).numpy()
    np.testing.assert_allclose(middle, spec.action_high, atol=1e-6)
    assert numbers.keys() == again.keys()


def test_lerobot_is_offered_only_where_its_prompt_is_ours(
    spec: SimulatorSpec, tmp_path: Path
) -> None:
    assert "lerobot" not in OpenVLA().exports
    options = Pi05(discrete_state_input=False)
    with pytest.raises(ValueError, match=r"prompts of pi0\.5 without the state have no form in l"):
        options.exports["lerobot"].write(options.build(spec, seed=0), tmp_path)


def test_openpi_files_are_read_by_transformers(spec: SimulatorSpec, tmp_path: Path) -> None:
    from transformers import PI0Config, PI0ForConditionalGeneration

    policy = trained(Pi0(), spec)
    Pi0().exports["openpi"].write(policy, tmp_path)
    (tmp_path / "config.json").unlink()
    sizes = policy.module.architecture
    text = {
        "model_type": "gemma",
        "hidden_size": sizes.language.width,
        "num_hidden_layers": sizes.depth,
        "intermediate_size": sizes.language.hidden,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": 1,
        "head_dim": sizes.head_width,
        "vocab_size": sizes.vocabulary,
    }
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": sizes.vision.width,
        "num_hidden_layers": sizes.vision.depth,
        "intermediate_size": sizes.vision.hidden,
        "num_attention_heads": sizes.vision.heads,
        "patch_size": sizes.patch,
        "image_size": sizes.image,
        "vision_use_head": False,
    }
    expert = {
        **text,
        "hidden_size": sizes.expert.width,
        "intermediate_size": sizes.expert.hidden,
    }
    vlm = {
        "model_type": "paligemma",
        "text_config": text,
        "vision_config": vision,
        "projection_dim": sizes.language.width,
        "image_token_id": sizes.vocabulary,
    }
    config = PI0Config(
        vlm_config=vlm,
        dit_config=expert,
        chunk_size=policy.reading.interface.horizon,
        max_action_dim=sizes.action_dim,
        max_state_dim=sizes.action_dim,
    )
    load = cast("Any", PI0ForConditionalGeneration).from_pretrained
    theirs, told = load(str(tmp_path), config=config, output_loading_info=True)
    assert not told["missing_keys"], told
    assert not told["mismatched_keys"], told
    rounds = tmp_path / "theirs"
    rounds.mkdir()
    FILES.save_file(
        {n: t.clone() for n, t in theirs.state_dict().items()}, rounds / "m.safetensors"
    )
    from rlvla.plugins.models.pi0.layouts import published

    assert same(
        published(FILES.load_file(rounds / "m.safetensors")), own(dict(policy.module.state_dict()))
    )
