"""Files as the originals publish them: parts, statistics, processors, adapters."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import peft
import pytest
import safetensors.torch
import sentencepiece
import torch

from rlvla.plugins.models.openvla import OpenVLA, presets
from rlvla.plugins.models.openvla.checkpoint import save_checkpoint
from rlvla.plugins.models.openvla.conventions import FAMILIES
from rlvla.plugins.models.openvla.source import statistics_of
from rlvla.plugins.models.openvla_oft import OpenVLAOFT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, nn

    from rlvla.core.types import Array, SimulatorSpec

    Make = Callable[[int], dict[str, Array]]

FILES: Any = safetensors.torch  # leaves PathLike without its argument
LIBRARY: Any = sentencepiece  # has no types
PEFT: Any = peft
MODEL = "model.safetensors"


@pytest.fixture
def saved(spec: SimulatorSpec, tmp_path: Path) -> Path:
    """A checkpoint without a value head, as published ones are."""
    path = tmp_path / "saved"
    save_checkpoint(OpenVLA().build(spec, seed=0), path)
    state = FILES.load_file(path / MODEL)
    kept = {name: one for name, one in state.items() if not name.startswith("value_head.")}
    FILES.save_file(kept, path / MODEL)
    return path


def edit(file: Path, **changes: Any) -> None:  # noqa: ANN401 - any entry of a JSON file
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | changes))


def split(path: Path) -> list[Path]:
    """Write the weights in two parts with an index, as large models are published."""
    state = FILES.load_file(path / MODEL)
    names = sorted(state)
    parts = [names[: len(names) // 2], names[len(names) // 2 :]]
    files = [path / f"model-{i:05}-of-00002.safetensors" for i in (1, 2)]
    for file, part in zip(files, parts, strict=True):
        FILES.save_file({name: state[name] for name in part}, file)
    index = {name: file.name for file, part in zip(files, parts, strict=True) for name in part}
    (path / f"{MODEL}.index.json").write_text(json.dumps({"weight_map": index}))
    (path / MODEL).unlink()
    return files


def weights(network: nn.Module) -> dict[str, Tensor]:
    state = network.state_dict()
    return {name: one for name, one in state.items() if not name.startswith("value_head.")}


def test_weights_in_parts_are_read_as_one(spec: SimulatorSpec, saved: Path) -> None:
    whole = weights(OpenVLA(checkpoint=str(saved)).build(spec, seed=0).module)
    split(saved)
    parts = weights(OpenVLA(checkpoint=str(saved)).build(spec, seed=0).module)
    assert list(parts) == list(whole)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_weights_of_half_precision_become_float32(spec: SimulatorSpec, saved: Path) -> None:
    state = FILES.load_file(saved / MODEL)
    FILES.save_file({name: one.bfloat16() for name, one in state.items()}, saved / MODEL)
    network = OpenVLA(checkpoint=str(saved)).build(spec, seed=0).module
    assert {one.dtype for one in network.state_dict().values()} == {torch.float32}
    name = "projector.fc1.weight"
    assert torch.equal(network.projector.fc1.weight, state[name].bfloat16().float())


def test_what_a_checkpoint_fills_in_keeps_its_freezing(spec: SimulatorSpec, saved: Path) -> None:
    one, two = (
        {n for n, p in options.build(spec, seed=0).module.named_parameters() if p.requires_grad}
        for options in (OpenVLA(), OpenVLA(checkpoint=str(saved)))
    )
    assert one == two


@pytest.mark.parametrize("broken", ["cut", "gone"])
def test_a_broken_part_is_named(spec: SimulatorSpec, saved: Path, broken: str) -> None:
    last = split(saved)[1]
    if broken == "cut":
        last.write_bytes(last.read_bytes()[:-100])
    else:
        last.unlink()
    with pytest.raises(ValueError, match=r"file .*model-00002-of-00002\.safetensors cannot be"):
        OpenVLA(checkpoint=str(saved)).build(spec, seed=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "llava"}, "is of the model_type 'llava', expected 'openvla'"),
        ({"arch_specifier": "linear"}, "states arch_specifier 'linear', expected 'no-align"),
        ({"use_fused_vision_backbone": False}, "states use_fused_vision_backbone False"),
        ({"text_config": {"vocab_size": 704, "rms_norm_eps": 1e-5}}, "states rms_norm_eps 1e-05"),
        (
            {"text_config": {"vocab_size": 704, "num_key_value_heads": 8}},
            "states num_key_value_heads 8, expected 32",
        ),
    ],
)
def test_a_model_of_another_family_is_refused(
    spec: SimulatorSpec, saved: Path, changes: dict[str, Any], message: str
) -> None:
    edit(saved / "config.json", **changes)
    with pytest.raises(ValueError, match=message):
        OpenVLA(checkpoint=str(saved)).build(spec, seed=0)


def test_a_config_without_its_fields_is_refused(spec: SimulatorSpec, saved: Path) -> None:
    (saved / "config.json").write_text(json.dumps({"model_type": "openvla"}))
    with pytest.raises(ValueError, match="lacks image_sizes, pad_to_multiple_of, text_config"):
        OpenVLA(checkpoint=str(saved)).build(spec, seed=0)


def test_a_config_that_was_cut_is_named(spec: SimulatorSpec, saved: Path) -> None:
    file = saved / "config.json"
    file.write_text(file.read_text()[:-9])
    with pytest.raises(ValueError, match=r"checkpoint's file .*config\.json is no JSON: "):
        OpenVLA(checkpoint=str(saved)).decision_fields(spec)


def test_the_processors_normalisation_reaches_the_policy(spec: SimulatorSpec, saved: Path) -> None:
    flat = {"mean": [0.1] * 3, "std": [0.2] * 3}
    edit(saved / "preprocessor_config.json", tvf_normalize_params=[flat, flat])
    view = OpenVLA(checkpoint=str(saved)).build(spec, seed=0).reading.view
    assert view.dino.mean == (0.1,) * 3


def test_a_saved_policy_keeps_how_it_sees(spec: SimulatorSpec, tmp_path: Path) -> None:
    policy = OpenVLA(family="libero", crop=0.8).build(spec, seed=0)
    policy.save(str(tmp_path))
    again = OpenVLA(checkpoint=str(tmp_path)).build(spec, seed=0)
    assert again.reading.view == policy.reading.view
    other = OpenVLA(checkpoint=str(tmp_path), family="plain").build(spec, seed=0)
    assert other.reading.view.conventions == FAMILIES["plain"]


def test_a_saved_policy_takes_its_tokenizer_along(
    spec: SimulatorSpec, saved: Path, tmp_path: Path
) -> None:
    config = json.loads((saved / "config.json").read_text())
    edit(saved / "config.json", rlvla=config["rlvla"] | {"tokenizer": "file"})
    options = OpenVLA(checkpoint=str(saved))
    with pytest.raises(
        ValueError, match=r"checkpoint has no tokenizer\.json or tokenizer\.model in"
    ):
        options.build(spec, seed=0)
    vocabulary = {"type": "WordLevel", "vocab": {"reach": 7, "?": 0}, "unk_token": "?"}
    (saved / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": vocabulary}))
    options.build(spec, seed=0).save(str(tmp_path))
    again = OpenVLA(checkpoint=str(tmp_path)).build(spec, seed=0)
    assert again.reading.tokenizer.encode("reach")[0] == 7


def entry(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any statistics
    numbers = {"q01": [0.0] * 4, "q99": [2.0] * 4, "min": [-4.0] * 4, "max": [4.0] * 4}
    return {"action": numbers | {"mask": [True, True, True, False]} | changes}


def test_statistics_of_a_libero_suite_are_found_by_its_name() -> None:
    known = {"norm_stats": {"libero_spatial_no_noops": entry(), "libero_goal": entry()}}
    found = statistics_of(known, "libero_spatial", FAMILIES["libero"])
    assert found.plain() == {
        "q01": [0.0] * 4,
        "q99": [2.0] * 4,
        "mask": [True, True, True, False],
    }


def test_aloha_is_scaled_by_extremes() -> None:
    found = statistics_of({"norm_stats": {"aloha": entry()}}, None, FAMILIES["aloha"])
    np.testing.assert_array_equal(found.restore(np.array([-1.0, 1.0, 0.5, 0.5])), [-4, 4, 2, 0.5])
    np.testing.assert_array_equal(found.unit(np.array([-4.0, 4.0, 9.0, 0.5])), [-1, 1, 1, 0.5])


def test_missing_statistics_are_named(spec: SimulatorSpec, saved: Path) -> None:
    numbers = entry()["action"]
    del numbers["q99"], numbers["q01"]
    edit(saved / "config.json", norm_stats={"robot": {"action": numbers}})
    with pytest.raises(ValueError, match="'robot' of the checkpoint lack q01, q99 of action"):
        OpenVLA(checkpoint=str(saved)).build(spec, seed=0)
    edit(saved / "config.json", norm_stats={})
    options = OpenVLA(checkpoint=str(saved))
    with pytest.raises(ValueError, match="statistics are not in the checkpoint: neither"):
        options.build(spec, seed=0)
    built = replace(options, statistics="simulator").build(spec, seed=0)
    assert built.reading.statistics.low.tolist() == list(spec.action_low)
    endless = replace(spec, action_low=(-np.inf,) * 4)
    with pytest.raises(ValueError, match=r"statistics need .* a simulator with finite bounds"):
        OpenVLA().build(endless, seed=0)


def adapted(spec: SimulatorSpec, saved: Path, target: Path, **options: Any) -> dict[str, Tensor]:  # noqa: ANN401 - of peft
    """Let peft train adapters of all kinds on the checkpoint; return what it merges them into."""
    network: Any = OpenVLA(checkpoint=str(saved)).build(spec, seed=0).module
    del network.value_head
    modules = ["proj", "qkv", "fc1", "fc3", "q_proj", "down_proj", "lm_head"]
    config = PEFT.LoraConfig(r=4, lora_alpha=8, target_modules=modules, **options)
    model = PEFT.get_peft_model(network, config)
    random = torch.Generator().manual_seed(0)
    for name, one in model.named_parameters():
        if ".lora_" in name:
            torch.nn.init.normal_(one, std=0.1, generator=random)
    model.save_pretrained(str(target), save_embedding_layers=False)
    merged: dict[str, Tensor] = model.merge_and_unload().state_dict()
    return merged


@pytest.mark.parametrize("stabilised", [False, True])
def test_unmerged_adapters_are_added_as_peft_does(
    spec: SimulatorSpec, saved: Path, tmp_path: Path, stabilised: bool
) -> None:
    tuned = tmp_path / "tuned"
    expected = adapted(spec, saved, tuned / "lora_adapter", use_rslora=stabilised)
    (tuned / "dataset_statistics.json").write_text(json.dumps({"own": entry()}))
    options = OpenVLA(checkpoint=str(tuned), base=str(saved))
    policy = options.build(spec, seed=0)
    own, before = weights(policy.module), FILES.load_file(saved / MODEL)
    assert own.keys() == expected.keys()
    for name, one in own.items():
        torch.testing.assert_close(one, expected[name], atol=1e-6, rtol=1e-5)
    conv = "vision_backbone.featurizer.patch_embed.proj.weight"
    assert not torch.equal(own[conv], before[conv])
    assert policy.reading.statistics.high.tolist() == [2.0] * 4


def test_merged_adapters_are_not_added_again(spec: SimulatorSpec, saved: Path) -> None:
    before = weights(OpenVLA(checkpoint=str(saved)).build(spec, seed=0).module)
    adapted(spec, saved, saved / "lora_adapter")
    again = weights(OpenVLA(checkpoint=str(saved)).build(spec, seed=0).module)
    assert all(torch.equal(one, again[name]) for name, one in before.items())


def test_adapters_and_their_base_belong_together(
    spec: SimulatorSpec, saved: Path, tmp_path: Path
) -> None:
    tuned = tmp_path / "tuned"
    adapted(spec, saved, tuned)
    edit(tuned / "adapter_config.json", base_model_name_or_path="openvla/openvla-7b")
    alone = OpenVLA(checkpoint=str(tuned))
    with pytest.raises(ValueError, match="base must name the directory of 'openvla/openvla-7b'"):
        alone.build(spec, seed=0)
    with pytest.raises(ValueError, match="base is of use only to a checkpoint of adapters alone"):
        OpenVLA(checkpoint=str(saved), base=str(saved)).build(spec, seed=0)
    with pytest.raises(ValueError, match="base needs a checkpoint"):
        OpenVLA(base=str(saved)).build(spec, seed=0)
    both = replace(alone, base=str(saved))
    edit(tuned / "adapter_config.json", use_dora=True)
    with pytest.raises(ValueError, match="asks for use_dora, which is not implemented"):
        both.build(spec, seed=0)
    edit(tuned / "adapter_config.json", use_dora=False)
    file = tuned / "adapter_model.safetensors"
    state = FILES.load_file(file)
    state["base_model.model.projector.fc9.lora_A.weight"] = torch.zeros(4, 4)
    FILES.save_file(state, file)
    with pytest.raises(ValueError, match=r"does not fit: .*projector\.fc9\.lora_B\.weight$"):
        both.build(spec, seed=0)
    state["base_model.model.projector.fc9.lora_B.weight"] = torch.zeros(4, 4)
    narrow = "base_model.model.projector.fc1.lora_A.weight"
    state[narrow] = state[narrow][:, 1:].contiguous()
    FILES.save_file(state, file)
    with pytest.raises(ValueError, match=r"does not fit: projector\.fc1, projector\.fc9$"):
        both.build(spec, seed=0)


@pytest.mark.parametrize("model", [OpenVLA, OpenVLAOFT])
def test_the_check_of_a_manifest_names_what_does_not_fit(
    spec: SimulatorSpec, saved: Path, model: type[OpenVLA]
) -> None:
    options = model(checkpoint=str(saved))
    assert options.decision_fields(spec)["action"].shape[1] == 4
    with pytest.raises(ValueError, match="statistics 'six' are not in the checkpoint"):
        replace(options, statistics="six").decision_fields(spec)
    told = r"no camera side; the simulator has top, .* trained on top; write cameras: \[top\]"
    with pytest.raises(ValueError, match=told):
        replace(options, cameras=["side"]).decision_fields(spec)
    with pytest.raises(ValueError, match="'7b' needs a checkpoint"):
        model(preset="7b").decision_fields(spec)
    edit(saved / "config.json", model_type="llava")
    with pytest.raises(ValueError, match="is of the model_type 'llava'"):
        options.decision_fields(spec)


def test_a_checkpoint_keeps_its_cameras_and_how_many_they_were(
    spec: SimulatorSpec, tmp_path: Path
) -> None:
    wide = replace(spec, cameras={"top": (32, 32), "wrist": (32, 32)})
    OpenVLA(cameras=["wrist", "top"]).build(wide, seed=0).save(str(tmp_path))
    options = OpenVLA(checkpoint=str(tmp_path))
    assert options.build(wide, seed=0).reading.cameras == ("wrist", "top")
    with pytest.raises(ValueError, match="was trained on 2 images, 1 are shown; the simulator has"):
        replace(options, cameras=["top"]).decision_fields(wide)
    other = replace(spec, cameras={"hand": (32, 32), "front": (32, 32)})
    with pytest.raises(ValueError, match=r"no camera wrist, top; .*write cameras: \[hand, front\]"):
        options.decision_fields(other)
    renamed = replace(options, cameras=["hand", "front"])
    assert renamed.build(other, seed=0).reading.cameras == ("hand", "front")


def test_a_published_checkpoint_must_be_told_which_of_many_cameras_it_sees(
    spec: SimulatorSpec, tmp_path: Path
) -> None:
    wide = replace(spec, cameras={"top": (32, 32), "wrist": (32, 32)})
    content = presets.to_config(presets.published()) | {"norm_stats": {"robot": entry()}}
    del content["rlvla"]
    content["timm_model_ids"] = list(presets.PUBLISHED_TOWERS)
    (tmp_path / "config.json").write_text(json.dumps(content))
    FILES.save_file({}, tmp_path / MODEL)
    options = OpenVLA(checkpoint=str(tmp_path))
    assert options.decision_fields(spec)
    with pytest.raises(ValueError, match=r"does not say how many images .*write cameras: \[top\]"):
        options.decision_fields(wide)
    assert replace(options, cameras=["wrist"]).decision_fields(wide)


def test_a_fine_tune_with_component_files_is_of_the_other_family(
    spec: SimulatorSpec, saved: Path
) -> None:
    torch.save({}, saved / "action_head--100_checkpoint.pt")
    with pytest.raises(ValueError, match=r"checkpoint is of openvla_oft .*write type: openvla_oft"):
        OpenVLA(checkpoint=str(saved)).decision_fields(spec)
    assert OpenVLAOFT(checkpoint=str(saved)).decision_fields(spec)


def test_an_index_that_was_cut_is_named(spec: SimulatorSpec, saved: Path) -> None:
    split(saved)
    index = saved / f"{MODEL}.index.json"
    index.write_text(index.read_text()[:-9])
    with pytest.raises(
        ValueError, match=r"file .*model\.safetensors\.index\.json has no weight_map"
    ):
        OpenVLA(checkpoint=str(saved)).build(spec, seed=0)


def test_llamas_tokenizer_model_is_read_and_taken_along(
    spec: SimulatorSpec, saved: Path, tmp_path: Path
) -> None:
    content = io.BytesIO()
    LIBRARY.SentencePieceTrainer.train(
        sentence_iterator=iter(["what action should the robot take to reach the cube"] * 9),
        model_writer=content,
        vocab_size=300,
        model_type="bpe",
        hard_vocab_limit=False,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    (saved / "tokenizer.model").write_bytes(content.getvalue())
    config = json.loads((saved / "config.json").read_text())
    edit(saved / "config.json", rlvla=config["rlvla"] | {"tokenizer": "file"})
    OpenVLA(checkpoint=str(saved)).build(spec, seed=0).save(str(tmp_path / "again"))
    again = OpenVLA(checkpoint=str(tmp_path / "again")).build(spec, seed=0)
    theirs = LIBRARY.SentencePieceProcessor(model_proto=content.getvalue())
    text = "reach the cube\nOut:"
    assert again.reading.tokenizer.encode(text) == [*theirs.encode(text), 29871]
