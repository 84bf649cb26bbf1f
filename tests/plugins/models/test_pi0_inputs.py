from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split

from rlvla.core.types import encode_instruction
from rlvla.plugins.models.pi0 import presets
from rlvla.plugins.models.pi0.cameras import matched, suggested
from rlvla.plugins.models.pi0.images import fitted
from rlvla.plugins.models.pi0.interface import CAMERAS, Interface, from_config
from rlvla.plugins.models.pi0.lerobot import lerobot_scales
from rlvla.plugins.models.pi0.prompt import Prompter
from rlvla.plugins.models.pi0.scaling import Scale, Scales, openpi_scales
from rlvla.plugins.models.pi0.tokenizer import FileTokenizer, SmallTokenizer, numbers, tokenizer_in

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.types import Array, SimulatorSpec

FILES: Any = safetensors.numpy  # leaves PathLike without its argument
STATE = np.array([[-1.0, -0.999, 0.0, 0.996, 1.0, -1.5, 7.0]])


class Letters:
    """A tokenizer of characters: ids are code points."""

    bos = 2

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def save(self, directory: Path) -> None:
        del directory


def prompt(text: str, state: Array, *, discrete: bool, room: int = 200) -> str:
    prompts = Prompter(Letters(), room=room, discrete=discrete)(
        encode_instruction(text)[None], state
    )
    assert prompts.valid.all()
    assert prompts.ids[0, 0] == Letters.bos
    return "".join(map(chr, prompts.ids[0, 1:]))


def test_pi0_is_told_the_cleaned_task_and_a_new_line() -> None:
    assert prompt(" pick_up the\ncup ", STATE, discrete=False) == "pick up the cup\n"


def test_pi05_is_told_task_and_binned_state() -> None:
    told = prompt("pick_up the cup", STATE, discrete=True)
    assert told == "Task: pick up the cup, State: 0 0 128 255 255 -1 255;\nAction: "


def test_a_prompt_that_is_too_long_loses_its_end() -> None:
    assert prompt("pick up the cup", STATE, discrete=False, room=8) == "pick up"


def test_short_prompts_are_padded_at_their_ends() -> None:
    rows = np.stack([encode_instruction("ab"), encode_instruction("abcd")])
    prompts = Prompter(Letters(), room=48, discrete=False)(rows, STATE)
    np.testing.assert_array_equal(prompts.ids[0], [2, 97, 98, 10, 0, 0])
    np.testing.assert_array_equal(prompts.valid.sum(1), [4, 6])


def test_known_prompts_are_short_and_every_bin_is_one_token() -> None:
    tokenizer = SmallTokenizer()
    bins = " ".join(map(str, range(256)))
    ids = tokenizer.encode(f"Task: reach the red cube, State: {bins};\nAction: ")
    assert len(ids) == 1 + 4 + 1 + 256 + 1
    assert len(set(ids)) == len(ids)
    assert ids[6:-1] == [*range(704)][numbers()]


@given(st.text(max_size=40))
def test_any_text_has_an_embedding(text: str) -> None:
    room = presets.tiny(adaptive=True, image=64, action_dim=4).vocabulary
    assert all(3 <= token < room for token in SmallTokenizer().encode(text))
    assert max(SmallTokenizer().encode(";\naction: 255")) < room


def test_a_tokenizer_file_is_read_and_written_back(tmp_path: Path) -> None:
    words = {"<unk>": 0, "<bos>": 5, "reach": 7, "\n": 9}
    tokenizer = Tokenizer(WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Split("\n", "isolated")  # type: ignore[assignment]
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    ours = tokenizer_in(tmp_path)
    rows = encode_instruction("reach")[None]
    np.testing.assert_array_equal(
        Prompter(ours, room=48, discrete=False)(rows, STATE).ids, [[5, 7, 9]]
    )
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(ValueError, match=r"has no tokenizer\.json or tokenizer\.model in .*other"):
        tokenizer_in(other)
    ours.save(other)
    assert tokenizer_in(other).encode("reach") == [7]
    Tokenizer(WordLevel({"a": 0}, unk_token="a")).save(str(other / "tokenizer.json"))
    with pytest.raises(ValueError, match="has no token <bos>"):
        FileTokenizer(other / "tokenizer.json")


@pytest.mark.parametrize("size", [(48, 64), (64, 40), (90, 64), (13, 7), (32, 32), (64, 64)])
def test_images_are_resized_and_padded_as_pillow_does(size: tuple[int, int]) -> None:
    side, (height, width) = 32, size
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    ratio = max(height, width) / side
    high, wide = int(height / ratio), int(width / ratio)
    expected = Image.new("RGB", (side, side))
    resized = Image.fromarray(pixels).resize((wide, high), Image.Resampling.BILINEAR)
    expected.paste(resized, ((side - wide) // 2, (side - high) // 2))
    ours = (fitted(torch.tensor(pixels)[None], side)[0].permute(1, 2, 0) + 1) * 127.5
    distance = np.abs(ours.numpy() - np.asarray(expected, np.float32))
    assert distance.max() <= 1.001
    assert distance.mean() < 0.005


def test_cameras_of_equal_names_need_no_map() -> None:
    assert matched(None, ["left_wrist_0_rgb", "base_0_rgb"], CAMERAS) == {
        "base_0_rgb": "base_0_rgb",
        "left_wrist_0_rgb": "left_wrist_0_rgb",
    }


def test_a_map_is_read_in_the_order_of_the_model() -> None:
    wanted = {"hand": "left_wrist_0_rgb", "top": "base_0_rgb"}
    found = matched(wanted, ["hand", "top", "front"], CAMERAS)
    assert list(found.items()) == [("base_0_rgb", "top"), ("left_wrist_0_rgb", "hand")]


@pytest.mark.parametrize(
    ("wanted", "simulator", "fault"),
    [
        (None, ["wrist", "top"], "the model has no camera 'wrist'"),
        ({"top": "base"}, ["wrist", "top"], "the model has no camera 'base'"),
        ({"tip": "base_0_rgb"}, ["wrist", "top"], "the simulator has no camera 'tip'"),
        (
            {"top": "base_0_rgb", "wrist": "base_0_rgb"},
            ["wrist", "top"],
            "two cameras are mapped to one",
        ),
    ],
)
def test_cameras_that_do_not_fit_show_both_sides_and_a_ready_map(
    wanted: dict[str, str] | None, simulator: list[str], fault: str
) -> None:
    with pytest.raises(ValueError, match="cameras do not fit") as error:
        matched(wanted, simulator, CAMERAS)
    told = str(error.value)
    assert f"do not fit: {fault}; the simulator has wrist, top, the model has base_0_rgb, " in told
    ready = "write cameras: {wrist: left_wrist_0_rgb, top: base_0_rgb} if they show the same"
    assert told.endswith(ready)
    assert matched(suggested(simulator, CAMERAS), simulator, CAMERAS)


def test_a_simulator_without_images_is_refused() -> None:
    with pytest.raises(ValueError, match="the simulator shows no images; the simulator has none"):
        matched(None, [], CAMERAS)


def test_moments_and_quantiles_scale_as_openpi_does(tmp_path: Path) -> None:
    numbers = {"mean": [1.0, 2.0], "std": [0.5, 0.0], "q01": [-1.0, 0.0], "q99": [3.0, 0.0]}
    folder = tmp_path / "assets" / "me" / "robot"
    folder.mkdir(parents=True)
    stats = {"norm_stats": {"state": numbers, "actions": numbers}}
    (folder / "norm_stats.json").write_text(json.dumps(stats))
    x = np.array([2.0, 2.0])
    by_moments, by_quantiles = (
        openpi_scales(tmp_path, None, quantiles=quantiles) for quantiles in (False, True)
    )
    assert by_moments is not None
    assert by_quantiles is not None
    np.testing.assert_allclose(by_moments.state.normalise(x), [1 / (0.5 + 1e-6), 0.0])
    expected = (x - numbers["q01"]) / np.array([4 + 1e-6, 1e-6]) * 2 - 1
    np.testing.assert_allclose(by_quantiles.actions.normalise(x), expected)
    np.testing.assert_allclose(by_quantiles.actions.restore(expected), x)
    assert openpi_scales(tmp_path, "me/robot", quantiles=True) is not None
    with pytest.raises(ValueError, match="'you' are not in the checkpoint, it has: me/robot"):
        openpi_scales(tmp_path, "you", quantiles=True)
    (tmp_path / "norm_stats.json").write_text(json.dumps(stats))
    with pytest.raises(ValueError, match=f"statistics must name one of me/robot, {tmp_path.name}"):
        openpi_scales(tmp_path, None, quantiles=True)


def write_lerobot(path: Path, modes: dict[str, str], **arrays: list[float]) -> None:
    """Write the statistics as lerobot does: the state file's name is in the pipeline."""
    steps: list[dict[str, Any]] = [
        {"registry_name": "rename_observations_processor", "config": {}},
        {
            "registry_name": "normalizer_processor",
            "config": {"eps": 1e-8, "norm_map": modes},
            "state_file": "some_step.safetensors",
        },
    ]
    (path / "policy_preprocessor.json").write_text(json.dumps({"name": "x", "steps": steps}))
    tensors = {name.replace("__", "."): np.array(one, np.float32) for name, one in arrays.items()}
    FILES.save_file(tensors, path / "some_step.safetensors")


def test_lerobot_statistics_are_found_by_the_pipeline(tmp_path: Path) -> None:
    numbers = {
        "observation.state.mean": [1.0],
        "observation.state.std": [2.0],
        "action.q01": [-1.0, 5.0],
        "action.q99": [3.0, 5.0],
    }
    write_lerobot(tmp_path, {"STATE": "MEAN_STD", "ACTION": "QUANTILES"}, **numbers)
    scales = lerobot_scales(tmp_path)
    assert scales is not None
    np.testing.assert_allclose(scales.state.normalise(np.array([5.0])), [2.0], rtol=1e-6)
    np.testing.assert_allclose(scales.actions.normalise(np.array([3.0, 5.0])), [1.0, -1.0])
    write_lerobot(tmp_path, {"STATE": "IDENTITY", "ACTION": "QUANTILES"}, **numbers)
    still = lerobot_scales(tmp_path)
    assert still is not None
    assert still.state.normalise(np.array([5.0])) == 5.0
    write_lerobot(tmp_path, {"STATE": "MIN_MAX", "ACTION": "QUANTILES"}, **numbers)
    with pytest.raises(ValueError, match=r"have no 'observation\.state\.min', they have: action"):
        lerobot_scales(tmp_path)
    write_lerobot(tmp_path, {"STATE": "LOG", "ACTION": "QUANTILES"}, **numbers)
    with pytest.raises(ValueError, match=r"normalises observation\.state by 'LOG', known are"):
        lerobot_scales(tmp_path)
    (tmp_path / "policy_preprocessor.json").write_text('{"steps": []}')
    with pytest.raises(ValueError, match="has no step 'normalizer_processor'"):
        lerobot_scales(tmp_path)


def test_scales_survive_the_round_trip_through_a_file(spec: SimulatorSpec) -> None:
    scales = Scales.of_simulator(spec)
    for quantiles in (False, True):
        again = Scales.of_openpi(scales.plain()["norm_stats"], quantiles=quantiles)
        np.testing.assert_allclose(again.actions.shift, scales.actions.shift, atol=1e-12)
        np.testing.assert_allclose(again.actions.size, scales.actions.size, atol=1e-12)
    low = scales.actions.restore(-np.ones(spec.action_dim))
    np.testing.assert_allclose(low, spec.action_low)


def test_a_simulator_without_bounds_needs_a_checkpoint(spec: SimulatorSpec) -> None:
    with pytest.raises(ValueError, match="preset needs a simulator with finite bounds"):
        Scales.of_simulator(replace(spec, action_high=(np.inf,) * 4))


def test_statistics_of_another_robot_are_refused_but_not_padding(spec: SimulatorSpec) -> None:
    padded = Scale.of_moments(np.zeros(32), np.r_[np.ones(4), np.zeros(28)], 1e-6)
    narrow = Scale.of_moments(np.zeros(3), np.ones(3), 1e-6)
    fitted_ = Scales(narrow, padded).fitted(spec)
    assert fitted_.actions.size.shape == (4,)
    with pytest.raises(ValueError, match="are of 4 numbers in proprio, the simulator's proprio"):
        Scales(Scale(np.zeros(4), np.ones(4)), padded).fitted(spec)
    with pytest.raises(ValueError, match="are of 3 numbers in actions"):
        Scales(narrow, narrow).fitted(spec)


def test_interfaces_are_read_in_the_words_of_each_library() -> None:
    openpi = from_config({"action_dim": 32, "action_horizon": 10}, adaptive=True)
    assert openpi == Interface(
        horizon=10, action_dim=32, tokens=200, cameras=CAMERAS, discrete=True
    )
    kinds = {"images.top": "VISUAL", "state": "STATE", "images.hand": "VISUAL"}
    features = {f"observation.{name}": {"type": kind} for name, kind in kinds.items()}
    lerobot = from_config(
        {
            "chunk_size": 50,
            "max_action_dim": 24,
            "tokenizer_max_length": 64,
            "input_features": features,
        },
        adaptive=False,
    )
    assert lerobot == Interface(
        horizon=50, action_dim=24, tokens=64, cameras=("top", "hand"), discrete=False
    )
    vision = {"vision_config": {"num_attention_heads": 4}}
    assert from_config({"chunk_size": 1, "vlm_config": vision}, adaptive=False).vision_heads == 4
    with pytest.raises(ValueError, match="states neither action_horizon"):
        from_config({"action_dim": 32}, adaptive=False)
