from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import safetensors.torch
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from rlvla.core.types import SimulatorSpec
from rlvla.plugins.models.flow.sampling import FlowSampling
from rlvla.plugins.models.lora import LoRA
from rlvla.plugins.models.pi0 import Pi0, Pi05
from rlvla.plugins.models.pi0.checkpoint import save_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from rlvla.core.types import Array
    from rlvla.plugins.models.pi0.policy import PiPolicy

    Make = Callable[[int], dict[str, Array]]

FILES: Any = safetensors.torch  # leaves PathLike without its argument
FIXTURES = Path(__file__).parent / "parity"
ROBOT = SimulatorSpec(
    cameras={"base_0_rgb": (48, 64)},
    proprio=3,
    action_low=(-1.0,) * 2,
    action_high=(1.0,) * 2,
    max_steps=10,
    control_hz=5.0,
)


def numbers(length: int) -> dict[str, list[float]]:
    return {
        "mean": [0.5] * length,
        "std": [2.0] * length,
        "q01": [-1.0] * length,
        "q99": [3.0] * length,
    }


def tokenizer(path: Path) -> None:
    Tokenizer(WordLevel({"<bos>": 2, "a": 3, "?": 4}, unk_token="?")).save(
        str(path / "tokenizer.json")
    )


@pytest.fixture
def openpi(tmp_path: Path) -> Path:
    """A checkpoint of pi0 as openpi writes it, but for the vision tower's heads."""
    path = tmp_path / "openpi"
    folder = path / "assets" / "robot"
    folder.mkdir(parents=True)
    (path / "config.json").write_bytes((FIXTURES / "pi0" / "config.json").read_bytes())
    packed = (FIXTURES / "pi0" / "model.safetensors.gz").read_bytes()
    (path / "model.safetensors").write_bytes(gzip.decompress(packed))
    stats = {"norm_stats": {"state": numbers(3), "actions": numbers(2)}}
    (folder / "norm_stats.json").write_text(json.dumps(stats))
    tokenizer(path)
    return path


def rewrite(path: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    file = path / "model.safetensors"
    FILES.save_file(change(FILES.load_file(file)), file)


def decided(policy: PiPolicy, rows: dict[str, Array], *, heat: float = 1.0) -> dict[str, Array]:
    count = len(rows["instruction"])
    seeds = np.arange(count, dtype=np.uint64)
    return dict(policy.act(rows, seeds=seeds, temperature=np.full(count, heat, np.float32)))


def rows_of(spec: SimulatorSpec, observations: Make) -> dict[str, Array]:
    """Return three rows that the simulator could have shown."""
    rows, random = observations(3), np.random.default_rng(0)
    images = {
        f"image/{name}": random.integers(0, 256, (3, *size, 3), dtype=np.uint8)
        for name, size in spec.cameras.items()
    }
    proprio = rows["proprio"][:, :1].repeat(spec.proprio, 1)
    return {"instruction": rows["instruction"], "proprio": proprio} | images


def same_weights(one: PiPolicy, two: PiPolicy) -> bool:
    first, second = one.module.state_dict(), two.module.state_dict()
    return list(first) == list(second) and all(torch.equal(first[n], second[n]) for n in first)


def test_openpi_checkpoint_is_read_with_its_statistics(openpi: Path, observations: Make) -> None:
    policy = Pi0(checkpoint=str(openpi), chunk=4).build(ROBOT, seed=0)
    file = FILES.load_file(openpi / "model.safetensors")
    assert torch.equal(policy.module.action_in_proj.weight, file["action_in_proj.weight"])
    rows = decided(policy, rows_of(ROBOT, observations))
    assert rows["action"].shape == (3, 4, 2)
    assert rows["chain"].shape[2:] == (10, 32)
    np.testing.assert_allclose(policy.reading.scales.actions.restore(np.zeros(2)), [0.5, 0.5])


def test_lerobot_prefix_and_statistics_are_read(openpi: Path, observations: Make) -> None:
    plain = Pi0(checkpoint=str(openpi)).build(ROBOT, seed=0)
    rewrite(openpi, lambda state: {f"model.{name}": one for name, one in state.items()})
    (openpi / "assets" / "robot" / "norm_stats.json").unlink()
    config = {"type": "pi0", "chunk_size": 10, "max_action_dim": 32, "rlvla": {"vision_heads": 4}}
    (openpi / "config.json").write_text(json.dumps(config))
    norm_map = {"VISUAL": "IDENTITY", "STATE": "MEAN_STD", "ACTION": "MEAN_STD"}
    step = {
        "registry_name": "normalizer_processor",
        "config": {"eps": 1e-6, "norm_map": norm_map},
        "state_file": "step_5.safetensors",
    }
    (openpi / "policy_preprocessor.json").write_text(json.dumps({"steps": [step]}))
    arrays = {
        f"{feature}.{name}": torch.tensor(values)
        for feature, length in (("observation.state", 3), ("action", 2))
        for name, values in numbers(length).items()
    }
    FILES.save_file(arrays, openpi / "step_5.safetensors")
    again = Pi0(checkpoint=str(openpi)).build(ROBOT, seed=0)
    assert same_weights(plain, again)
    rows = rows_of(ROBOT, observations)
    one, two = decided(plain, rows), decided(again, rows)
    np.testing.assert_allclose(one["action"], two["action"], atol=1e-5)


@pytest.mark.parametrize("keep", ["lm_head", "embed_tokens", "both"])
def test_the_embedding_is_read_under_either_name(openpi: Path, keep: str) -> None:
    stem = "paligemma_with_expert.paligemma."
    head, words = f"{stem}lm_head.weight", f"{stem}model.language_model.embed_tokens.weight"
    expected = FILES.load_file(openpi / "model.safetensors")[head]

    def change(state: dict[str, Tensor]) -> dict[str, Tensor]:
        table = state.pop(head)
        named = {"lm_head": [head], "embed_tokens": [words], "both": [head, words]}[keep]
        return state | {name: table.clone() for name in named}

    rewrite(openpi, change)
    network = Pi0(checkpoint=str(openpi)).build(ROBOT, seed=0).module
    assert torch.equal(network.paligemma_with_expert.paligemma.lm_head.weight, expected)


def test_two_embeddings_that_differ_are_refused(openpi: Path) -> None:
    stem = "paligemma_with_expert.paligemma."
    head, words = f"{stem}lm_head.weight", f"{stem}model.language_model.embed_tokens.weight"
    rewrite(openpi, lambda state: state | {words: state[head] + 1})
    with pytest.raises(ValueError, match=r"has two embeddings: .*lm_head\.weight and .*embed_tok"):
        Pi0(checkpoint=str(openpi)).build(ROBOT, seed=0)


def test_half_precision_is_read_as_float32(openpi: Path) -> None:
    rewrite(openpi, lambda state: {name: one.bfloat16() for name, one in state.items()})
    network = Pi0(checkpoint=str(openpi)).build(ROBOT, seed=0).module
    assert {one.dtype for one in network.parameters()} == {torch.float32}


def test_tensors_that_do_not_fit_are_listed_with_what_to_do(openpi: Path) -> None:
    def change(state: dict[str, Tensor]) -> dict[str, Tensor]:
        state["state_proj.extra"] = state.pop("state_proj.bias")
        state["action_out_proj.bias"] = state["action_out_proj.bias"][:3].clone()
        return state

    rewrite(openpi, change)
    faults = (
        r"missing: state_proj\.bias; unexpected: state_proj\.extra; of another shape: "
        r"action_out_proj\.bias; the names are openpi's, .* convert the file"
    )
    with pytest.raises(ValueError, match=faults):
        Pi0(checkpoint=str(openpi)).build(ROBOT, seed=0)


def test_the_other_kind_of_pi_is_named(openpi: Path) -> None:
    with pytest.raises(ValueError, match=r"is of pi0, not of pi05: write type: pi0$"):
        Pi05(checkpoint=str(openpi)).build(ROBOT, seed=0)
    rewrite(openpi, lambda state: {"linear.weight": state["state_proj.weight"]})
    with pytest.raises(ValueError, match=r"has no tensor '.*patch_embedding\.weight'.* no pi0"):
        Pi0(checkpoint=str(openpi)).build(ROBOT, seed=0)


def test_heads_of_an_unknown_tower_must_be_told(openpi: Path) -> None:
    config = json.loads((openpi / "config.json").read_text())
    del config["rlvla"]
    (openpi / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"vision tower of width 32 has; add \"rlvla\""):
        Pi0(checkpoint=str(openpi)).build(ROBOT, seed=0)


def test_what_is_no_checkpoint_is_said_before_anything_is_built(
    openpi: Path, tmp_path: Path
) -> None:
    options = Pi0(checkpoint=str(openpi))
    with pytest.raises(ValueError, match=r"checkpoint '.*' has no file config\.json"):
        replace(options, checkpoint=str(tmp_path / "none")).decision_fields(ROBOT)
    (tmp_path / "jax" / "params").mkdir(parents=True)
    with pytest.raises(ValueError, match="has arrays of JAX without params/_METADATA"):
        replace(options, checkpoint=str(tmp_path / "jax")).decision_fields(ROBOT)
    with pytest.raises(ValueError, match="chunk must be at most 10"):
        replace(options, chunk=11).decision_fields(ROBOT)
    wide = replace(ROBOT, action_low=(-1.0,) * 33, action_high=(1.0,) * 33)
    with pytest.raises(ValueError, match="checkpoint has room for 32 numbers"):
        options.decision_fields(wide)
    with pytest.raises(ValueError, match=r"cameras do not fit.*write cameras: {top: base_0_rgb}"):
        options.decision_fields(replace(ROBOT, cameras={"top": (32, 32)}))
    with pytest.raises(ValueError, match="chunk must be at least 1, got 0"):
        Pi0(chunk=0)
    with pytest.raises(ValueError, match="preset '3b' needs a checkpoint"):
        Pi0(preset="3b", cameras={"base_0_rgb": "base_0_rgb"}).build(ROBOT, seed=0)


def test_statistics_and_tokenizer_must_be_there(openpi: Path) -> None:
    options = Pi0(checkpoint=str(openpi))
    (openpi / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match=r"has no tokenizer\.json or tokenizer\.model"):
        options.build(ROBOT, seed=0)
    tokenizer(openpi)
    (openpi / "assets" / "robot" / "norm_stats.json").unlink()
    with pytest.raises(ValueError, match="has no statistics of states and actions"):
        options.build(ROBOT, seed=0)


def test_the_check_of_a_manifest_names_what_does_not_fit(openpi: Path) -> None:
    options = Pi0(checkpoint=str(openpi))
    assert options.decision_fields(ROBOT)["action"].shape == (10, 2)
    with pytest.raises(ValueError, match="statistics 'you' are not in the checkpoint, it has: rob"):
        replace(options, statistics="you").decision_fields(ROBOT)
    with pytest.raises(ValueError, match="are of 3 numbers in proprio, the simulator's proprio h"):
        options.decision_fields(replace(ROBOT, proprio=4))
    with pytest.raises(ValueError, match="are of 2 numbers in actions, the simulator's actions h"):
        options.decision_fields(replace(ROBOT, action_low=(-1.0,) * 3, action_high=(1.0,) * 3))
    with pytest.raises(ValueError, match=r"relative has \[2\], which must be elements of both"):
        replace(options, relative=[1, 2]).decision_fields(ROBOT)
    config = json.loads((openpi / "config.json").read_text())
    for family, told in (
        ("openvla", "of the model_type 'openvla', expected 'pi0'"),
        ("pi05", "05$"),
    ):
        (openpi / "config.json").write_text(json.dumps(config | {"model_type": family}))
        with pytest.raises(ValueError, match=told):
            options.decision_fields(ROBOT)
    (openpi / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"checkpoint's file .*config\.json is no JSON"):
        options.decision_fields(ROBOT)


def test_weights_that_were_cut_are_named_before_anything_is_built(openpi: Path) -> None:
    file = openpi / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"checkpoint's file .*model\.safetensors cannot be read"):
        Pi0(checkpoint=str(openpi)).decision_fields(ROBOT)


def test_relative_actions_are_added_to_the_state(openpi: Path, observations: Make) -> None:
    options = Pi0(checkpoint=str(openpi))
    roomy = replace(ROBOT, action_low=(-1e9,) * 2, action_high=(1e9,) * 2)
    plain = options.build(roomy, seed=0)
    relative = replace(options, relative=[1]).build(roomy, seed=0)
    rows = rows_of(roomy, observations)
    rows["proprio"] = rows["proprio"] + np.array([0, 5, 9], np.float32)
    one, two = decided(plain, rows), decided(relative, rows)
    np.testing.assert_allclose(two["action"][..., 0], one["action"][..., 0], atol=1e-5)
    added = two["action"][..., 1] - one["action"][..., 1]
    np.testing.assert_allclose(added, rows["proprio"][:, 1:2].repeat(10, 1), atol=1e-4)
    losses = [
        policy.imitate(rows | {"action": made["action"]}).detach().numpy()
        for policy, made in ((plain, one), (relative, two))
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    save_checkpoint(relative, openpi / "again")
    again = replace(options, checkpoint=str(openpi / "again"))
    assert again.build(roomy, seed=0).reading.interface.relative == (1,)


def test_lerobots_step_that_adds_the_state_is_not_passed_over(openpi: Path) -> None:
    steps = [{"registry_name": "absolute_actions_processor", "config": {"enabled": True}}]
    (openpi / "policy_postprocessor.json").write_text(json.dumps({"steps": steps}))
    options = Pi0(checkpoint=str(openpi))
    with pytest.raises(ValueError, match="relative must say which elements of actions"):
        options.decision_fields(ROBOT)
    assert replace(options, relative=[0, 1]).decision_fields(ROBOT)
    steps[0]["config"] = {"enabled": False}
    (openpi / "policy_postprocessor.json").write_text(json.dumps({"steps": steps}))
    assert options.decision_fields(ROBOT)


def test_config_and_tensors_must_agree(openpi: Path) -> None:
    config = json.loads((openpi / "config.json").read_text())
    (openpi / "config.json").write_text(json.dumps(config | {"action_dim": 16}))
    with pytest.raises(ValueError, match="states action_dim 16, its tensors have 32"):
        Pi0(checkpoint=str(openpi)).build(ROBOT, seed=0)


def test_a_published_checkpoint_is_saved_as_one(
    openpi: Path, tmp_path: Path, observations: Make
) -> None:
    policy = Pi0(checkpoint=str(openpi)).build(ROBOT, seed=0)
    save_checkpoint(policy, tmp_path / "saved")
    again = Pi0(checkpoint=str(tmp_path / "saved")).build(ROBOT, seed=1)
    assert same_weights(policy, again)
    rows = rows_of(ROBOT, observations)
    one, two = decided(policy, rows), decided(again, rows)
    assert all(np.array_equal(one[name], two[name]) for name in one)
    names = FILES.load_file(openpi / "model.safetensors").keys()
    saved = FILES.load_file(tmp_path / "saved" / "model.safetensors").keys()
    own = {name for name in saved if not name.startswith(("value_head.", "imitated"))}
    assert names - own == {"paligemma_with_expert.gemma_expert.lm_head.weight"}
    assert own < names


@pytest.mark.parametrize("options", [Pi0(chunk=2), Pi05()])
def test_checkpoint_returns_the_same_bits(
    options: Pi0, spec: SimulatorSpec, observations: Make, tmp_path: Path
) -> None:
    policy = options.build(spec, seed=0)
    policy.imitate(observations(3) | decided(policy, observations(3)))
    save_checkpoint(policy, tmp_path)
    again = replace(options, checkpoint=str(tmp_path)).build(spec, seed=1)
    assert same_weights(policy, again)
    assert again.module.architecture == policy.module.architecture
    assert int(again.module.imitated) == 3
    wider = replace(spec, action_low=(-9.0,) * 4, action_high=(9.0,) * 4)
    kept = replace(options, checkpoint=str(tmp_path)).build(wider, seed=0)
    for scale in (0.0, 1.0):
        x = np.full(4, scale)
        ours, theirs = (p.reading.scales.actions.restore(x) for p in (policy, kept))
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_heads_of_other_options_are_left_behind(spec: SimulatorSpec, tmp_path: Path) -> None:
    noisy = FlowSampling(kind="noise")
    save_checkpoint(Pi05(sampling=noisy, critic="prefix").build(spec, seed=0), tmp_path)
    options = Pi05(checkpoint=str(tmp_path))
    plain = options.build(spec, seed=1).module
    assert plain.noise_head is None
    fresh = Pi05().build(spec, seed=1).module
    shapes = [one.value_head.get_parameter("0.weight").shape for one in (plain, fresh)]
    assert shapes[0] == shapes[1]
    same = replace(options, sampling=noisy, critic="prefix").build(spec, seed=1).module
    saved = FILES.load_file(tmp_path / "model.safetensors")
    for name in ("value_head.0.weight", "noise_head.0.weight"):
        assert torch.equal(same.get_parameter(name), saved[name])


def test_lora_trains_only_adapters_and_heads(spec: SimulatorSpec) -> None:
    options = Pi05(lora=LoRA(r=4), sampling=FlowSampling(kind="noise"))
    network = options.build(spec, seed=0).module
    trained = {name for name, one in network.named_parameters() if one.requires_grad}
    heads = ("value_head.", "noise_head.")
    assert all(".lora_" in name or name.startswith(heads) for name in trained)
    assert {name.split(".")[0] for name in trained} == {
        "paligemma_with_expert",
        "action_in_proj",
        "action_out_proj",
        "time_mlp_in",
        "time_mlp_out",
        "value_head",
        "noise_head",
    }
    assert not any("language_model.layers.1.mlp" in name for name in trained)


def test_lora_can_be_kept_to_the_expert(spec: SimulatorSpec) -> None:
    pattern = r".*gemma_expert.*self_attn\.(q|v)_proj"
    network = Pi0(lora=LoRA(r=2, target_modules=pattern)).build(spec, seed=0).module
    trained = {name for name, one in network.named_parameters() if one.requires_grad}
    adapters = {name for name in trained if ".lora_" in name}
    assert len(adapters) == 2 * 2 * network.architecture.depth
    assert all("gemma_expert" in name for name in adapters)


def test_lora_checkpoint_is_merged_into_the_published_layout(
    spec: SimulatorSpec, observations: Make, tmp_path: Path
) -> None:
    policy, plain = (Pi05(lora=lora).build(spec, seed=0) for lora in (LoRA(r=4), None))
    random = torch.Generator().manual_seed(0)
    for name, one in policy.module.named_parameters():
        if ".lora_B." in name:
            torch.nn.init.normal_(one, std=0.05, generator=random)
    save_checkpoint(policy, tmp_path)
    again = Pi05(checkpoint=str(tmp_path)).build(spec, seed=0)
    assert list(again.module.state_dict()) == list(plain.module.state_dict())
    actions = [decided(p, observations(3), heat=0.0)["action"] for p in (policy, again, plain)]
    np.testing.assert_allclose(actions[0], actions[1], atol=1e-5)
    assert np.abs(actions[0] - actions[2]).max() > 1e-3


@pytest.mark.parametrize("lora", [None, LoRA(r=4)])
def test_a_saved_policy_is_restored_bit_for_bit(
    spec: SimulatorSpec, tmp_path: Path, lora: LoRA | None
) -> None:
    options = Pi05(lora=lora, sampling=FlowSampling(kind="noise"))
    policy, again = (options.build(spec, seed=0) for _ in range(2))
    random = torch.Generator().manual_seed(1)
    for weight in policy.module.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, generator=random)
    policy.module.imitated += 7
    policy.save(str(tmp_path))
    again.load(str(tmp_path))
    assert same_weights(policy, again)
