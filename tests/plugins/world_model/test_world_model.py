from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import safetensors.numpy as tensor_files
import torch

from rlvla.core.component import build
from rlvla.core.errors import PreflightError
from rlvla.core.testing import check_simulator
from rlvla.core.types import Start
from rlvla.plugins.simulators.tabletop import Tabletop
from rlvla.plugins.world_model.simulator import WorldModel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rlvla.core.types import StepResult

LANES = 3


@pytest.fixture(name="original")
def _original() -> Tabletop:
    return Tabletop(size=24, lanes=2)


@pytest.fixture(name="world")
def _world(folder: Path, original: Tabletop) -> Iterator[WorldModel]:
    world = WorldModel(checkpoint=str(folder), original=original)
    world.start(LANES)
    yield world
    world.close()


def actions(count: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 1, 4)).astype(np.float32)


def test_it_keeps_the_rules_of_a_simulator(folder: Path, original: Tabletop) -> None:
    check_simulator(WorldModel(checkpoint=str(folder)), episodes=1)
    check_simulator(WorldModel(checkpoint=str(folder), original=original), episodes=1)


def test_who_shares_a_call_changes_no_bit(world: WorldModel) -> None:
    starts = [Start("reach", "train", n) for n in range(LANES)]
    chunks = actions(LANES)
    world.reset_batch([2, 0, 1], starts)
    together = world.step_batch([1, 2, 0], chunks)
    for lane, start, place in ((2, 0, 1), (0, 1, 2), (1, 2, 0)):
        for other in range(LANES):
            world.reset(other, Start("reach", "train", 9 + other))
        world.reset(lane, starts[start])
        assert _same(world.step(lane, chunks[place]), together[place])


def test_lanes_that_are_not_named_stay_where_they_are(world: WorldModel) -> None:
    world.reset_batch([0, 1], [Start("reach", "train", 0), Start("reach", "train", 1)])
    chunk = actions(1)[0]
    before = world.step(0, chunk)
    world.step(1, chunk)
    world.reset(1, Start("reach", "train", 4))
    after = world.step(0, chunk)
    world.reset(0, Start("reach", "train", 0))
    assert _same(world.step(0, chunk), before)
    assert _same(world.step(0, chunk), after)


def test_training_is_imagined_and_evaluation_real(world: WorldModel, original: Tabletop) -> None:
    real = replace(original)
    real.start(1)
    start, chunk = Start("reach", "eval", 5), actions(1)[0]
    shown, expected = world.reset(0, start), real.reset(0, start)
    assert np.array_equal(shown.images["top"], expected.images["top"])
    assert shown.privileged.shape == (0,)
    imagined = world.reset(1, Start("reach", "train", 5))
    stepped = world.step_batch([1, 0], np.stack([chunk, chunk]))
    after = real.step(0, chunk)
    assert np.array_equal(stepped[1].observation.images["top"], after.observation.images["top"])
    assert np.array_equal(stepped[1].reward, after.reward)
    assert stepped[0].observation.instruction == imagined.instruction
    assert not np.array_equal(stepped[0].observation.images["top"], after.observation.images["top"])
    real.close()


def test_the_original_looks_at_the_machine_before_any_worker_does(
    folder: Path, original: Tabletop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLVLA_OPENGL", "")
    WorldModel(checkpoint=str(folder)).prepare()
    assert not os.environ["RLVLA_OPENGL"]
    drawn = replace(original, render="auto")
    WorldModel(checkpoint=str(folder), original=drawn).prepare()
    assert os.environ["RLVLA_OPENGL"]


def test_success_is_measured_by_the_name_that_the_original_has(
    world: WorldModel, folder: Path
) -> None:
    [protocol] = world.protocols
    assert protocol.name == "tabletop/reach@v1"
    assert protocol.max_steps == 12
    assert WorldModel(checkpoint=str(folder)).protocols == ()


def test_without_the_original_evaluation_begins_where_training_never_does(folder: Path) -> None:
    world = WorldModel(checkpoint=str(folder))
    world.start(1)
    seen = {
        split: {
            world.reset(0, Start("reach", split, n, seed=seed)).images["top"].tobytes()
            for n in range(40)
            for seed in (0, 1)
        }
        for split in ("train", "eval")
    }
    assert len(seen["eval"]) == 2
    assert len(seen["train"]) > 10
    assert not seen["train"] & seen["eval"]


def test_images_that_are_not_finite_are_told_by_the_reward(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    weights = tensor_files.load_file(broken / "model.safetensors")
    weights["painter.outward.bias"][:] = np.nan
    tensor_files.save_file(weights, broken / "model.safetensors")
    world = WorldModel(checkpoint=str(broken))
    world.start(1)
    world.reset(0, Start("reach", "train", 0))
    assert np.isnan(world.step(0, actions(1)[0]).reward).all()


def test_an_episode_ends_with_the_time_limit_and_must_be_reset(world: WorldModel) -> None:
    world.reset(0, Start("reach", "train", 0))
    result = world.step(0, np.repeat(actions(1)[0], 14, axis=0))
    assert result.valid.sum() <= 12
    assert result.terminated.any() or result.truncated[11]
    with pytest.raises(RuntimeError, match="reset it first"):
        world.step(0, actions(1)[0])


def test_a_network_that_is_sure_enough_of_success_ends_the_episode(
    folder: Path, tmp_path: Path
) -> None:
    """Here it gives success a probability of 0.73 whatever it sees, and pays 7 for it."""
    fixed = tmp_path / "fixed"
    shutil.copytree(folder, fixed)
    weights = tensor_files.load_file(fixed / "model.safetensors")
    weights["judge.verdict.4.weight"][:] = 0.0
    weights["judge.verdict.4.bias"][:] = [0.0, 0.0, 1.0]
    weights["judge.usual"][:] = [0.5, 7.0]
    tensor_files.save_file(weights, fixed / "model.safetensors")
    for certainty, paid in ((0.7, [7.0, 0.0, 0.0]), (0.75, [0.5, 0.5, 0.5])):
        world = WorldModel(checkpoint=str(fixed), certainty=certainty)
        world.start(1)
        world.reset(0, Start("reach", "train", 0))
        result = world.step(0, actions(3)[:, 0])
        ended = certainty < 0.73
        assert result.success == ended
        assert result.terminated.tolist() == [ended, False, False]
        assert result.valid.tolist() == [True, not ended, not ended]
        assert result.reward.tolist() == paid


def test_a_certainty_that_is_none_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"certainty must be in \(0, 1\), got 1"):
        WorldModel(checkpoint=str(folder), certainty=1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 32}, r"cameras \{'top': \[32, 32\]\} instead of \{'top': \[24, 24\]\}"),
        ({"cameras": ["front"]}, r"cameras \{'front'.* instead of \{'top'"),
        ({"observation": "state"}, "proprio 13 instead of 4"),
        ({"task": "push"}, r"tasks \['push'\] instead of \['reach'\]"),
    ],
)
def test_another_original_is_refused(
    folder: Path, options: dict[str, object], message: str
) -> None:
    other = build(Tabletop, {"size": 24, **options})
    with pytest.raises(ValueError, match=f"^original is not what .*{message}"):
        WorldModel(checkpoint=str(folder), original=other)


def test_another_kind_of_checkpoint_is_refused() -> None:
    with pytest.raises(ValueError, match="tabletop_sft is not of a world model: unknown key"):
        WorldModel(checkpoint="rlvla:tabletop_sft")
    with pytest.raises(
        ValueError, match=r"'nowhere' has no file config\.json.*`rlvla world` makes"
    ):
        WorldModel(checkpoint="nowhere")


def test_weights_of_another_size_are_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    config = json.loads((other / "config.json").read_text())
    config["sizes"]["width"] = 8
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="does not fit the network: of another shape: "):
        WorldModel(checkpoint=str(other)).start(1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_told(folder: Path) -> None:
    with pytest.raises(PreflightError, match=r"simulator\.device is cuda, but torch finds no CUDA"):
        WorldModel(checkpoint=str(folder), device="cuda").start(1)


def _same(one: StepResult, other: StepResult) -> bool:
    """Whether two results are equal, bit for bit."""
    return bool(
        np.array_equal(one.observation.images["top"], other.observation.images["top"])
        and np.array_equal(one.observation.proprio, other.observation.proprio)
        and np.array_equal(one.reward, other.reward)
    )
