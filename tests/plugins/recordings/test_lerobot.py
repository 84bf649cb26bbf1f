"""Datasets of LeRobot's format: what is recorded is read, and what does not fit is explained."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rlvla.core.errors import TrainingError
from rlvla.core.recorded import RecordedEpisode
from rlvla.core.testing import check_recording
from rlvla.core.types import SimulatorSpec
from rlvla.plugins.recordings.lerobot import LeRobot
from rlvla.plugins.recordings.lerobot.frames import packed

if TYPE_CHECKING:
    from pathlib import Path

pyarrow: Any = pytest.importorskip("pyarrow", reason="needs pyarrow, the extra `datasets`")
parquet: Any = pytest.importorskip("pyarrow.parquet")

SPEC = SimulatorSpec(
    cameras={"front": (6, 8), "wrist": (4, 4)},
    proprio=3,
    action_low=(-1.0, -0.1),
    action_high=(1.0, 0.1),
    max_steps=9,
    control_hz=5.0,
)
TASKS = ("open the drawer", "öffne die Schublade", "open the drawer")


def episode(spec: SimulatorSpec, *, length: int, task: str, seed: int) -> RecordedEpisode:
    random = np.random.default_rng(seed)
    sizes = {name: (length, *size, 3) for name, size in spec.cameras.items()}
    actions = random.uniform(spec.action_low, spec.action_high, (length, spec.action_dim))
    return RecordedEpisode(
        instruction=task,
        images={name: random.integers(0, 256, size, np.uint8) for name, size in sizes.items()},
        proprio=random.normal(size=(length, spec.proprio)).astype(np.float32),
        actions=actions.astype(np.float32),
    )


def written(root: Path, spec: SimulatorSpec = SPEC) -> list[RecordedEpisode]:
    """Write a dataset and return what is in it."""
    from rlvla.plugins.recordings.lerobot.writing import Writer

    made = [
        episode(spec, length=3 + 2 * number, task=task, seed=number)
        for number, task in enumerate(TASKS)
    ]
    writer = Writer(root, spec)
    for one in made:
        writer.add(one)
    writer.close()
    return made


def same(one: RecordedEpisode, other: RecordedEpisode) -> None:
    assert one.instruction == other.instruction
    assert one.images.keys() == other.images.keys()
    pairs = [(one.images[name], other.images[name]) for name in one.images]
    for a, b in [*pairs, (one.proprio, other.proprio), (one.actions, other.actions)]:
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def changed(root: Path, **entries: object) -> None:
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


@pytest.mark.parametrize("lengths", [(3, 2), (1, 1)])
def test_what_is_recorded_is_read_bit_for_bit(tmp_path: Path, lengths: tuple[int, int]) -> None:
    proprio, actions = lengths
    spec = replace(
        SPEC, proprio=proprio, action_low=(-1.0,) * actions, action_high=(1.0,) * actions
    )
    made = written(tmp_path / "data", spec)
    recording = LeRobot(path=tmp_path / "data")
    check_recording(recording, spec)
    read = [*recording.episodes(spec)]
    assert len(read) == len(made)
    for pair in zip(read, made, strict=True):
        same(*pair)


def test_a_full_file_is_followed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlvla.plugins.recordings.lerobot.writing.FILE_MB", 0)
    made = written(tmp_path / "data")
    assert len([*(tmp_path / "data/data/chunk-000").iterdir()]) == len(made)
    for pair in zip(LeRobot(path=tmp_path / "data").episodes(SPEC), made, strict=True):
        same(*pair)


def test_a_dataset_describes_itself_as_lerobot_does(tmp_path: Path) -> None:
    made = written(tmp_path / "data")
    root = tmp_path / "data"
    info = json.loads((root / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"]) == ("v3.0", 5)
    assert info["features"]["observation.images.front"]["shape"] == [6, 8, 3]
    frames = parquet.read_table(root / "data/chunk-000/file-000.parquet").to_pylist()
    assert [one["index"] for one in frames] == [*range(3 + 5 + 7)]
    assert [one["task_index"] for one in frames] == [0] * 3 + [1] * 5 + [0] * 7
    assert frames[4]["timestamp"] == pytest.approx(1 / 5)
    ends = parquet.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(one["dataset_from_index"], one["dataset_to_index"]) for one in ends] == [
        *((0, 3), (3, 8), (8, 15))
    ]
    stats = json.loads((root / "meta/stats.json").read_text())
    actions = np.concatenate([one.actions for one in made])
    np.testing.assert_allclose(stats["action"]["std"], actions.std(0), rtol=1e-5)
    pixels = np.concatenate([one.images["front"].reshape(-1, 3) for one in made]) / 255
    np.testing.assert_allclose(
        np.array(stats["observation.images.front"]["mean"])[:, 0, 0], pixels.mean(0)
    )


def older(root: Path, made: list[RecordedEpisode]) -> None:
    """Write episodes as version 2.1 spread them over files."""
    (root / "meta").mkdir(parents=True)
    (root / "data/chunk-000").mkdir(parents=True)
    tasks = [*dict.fromkeys(one.instruction for one in made)]
    lines = [json.dumps({"task_index": i, "task": one}) for i, one in enumerate(tasks)]
    (root / "meta/tasks.jsonl").write_text("\n".join(lines))
    features: dict[str, Any] = {
        f"observation.images.{name}": {"dtype": "image", "shape": [3, *size]}
        | {"names": ["channels", "height", "width"]}
        for name, size in SPEC.cameras.items()
    }
    features["observation.state"] = {"dtype": "float32", "shape": [3], "names": ["a", "b", "c"]}
    features["action"] = {"dtype": "float32", "shape": [2], "names": None}
    info = {"codebase_version": "v2.1", "fps": 5, "chunks_size": 1000, "features": features}
    (root / "meta/info.json").write_text(json.dumps(info))
    for number, one in enumerate(made):
        length = len(one.actions)
        columns: dict[str, Any] = {
            f"observation.images.{name}": [
                {"bytes": packed(each), "path": "x.png"} for each in shown
            ]
            for name, shown in one.images.items()
        }
        columns |= {"observation.state": one.proprio.tolist(), "action": one.actions.tolist()}
        columns |= {"timestamp": np.arange(length, dtype=np.float32) / 5}
        columns |= {"frame_index": [*range(length)], "index": [*range(length)]}
        columns |= {"episode_index": [number] * length}
        columns |= {"task_index": [tasks.index(one.instruction)] * length}
        file = root / f"data/chunk-000/episode_{number:06d}.parquet"
        parquet.write_table(pyarrow.table(columns), file)


def test_datasets_of_the_version_before_are_read_too(tmp_path: Path) -> None:
    made = [episode(SPEC, length=4, task=task, seed=seed) for seed, task in enumerate(TASKS)]
    older(tmp_path, made)
    recording = LeRobot(path=tmp_path)
    recording.check(SPEC)
    for pair in zip(recording.episodes(SPEC), made, strict=True):
        same(*pair)


def test_a_camera_may_have_another_name_in_the_dataset(tmp_path: Path) -> None:
    (made, *_) = written(tmp_path / "data")
    spec = replace(SPEC, cameras={"top": (6, 8)})
    with pytest.raises(
        ValueError, match=r"^cameras: .*front, wrist, not top; .*`cameras: \{top: front\}`$"
    ):
        LeRobot(path=tmp_path / "data").check(spec)
    recording = LeRobot(path=tmp_path / "data", cameras={"top": "front"})
    recording.check(spec)
    read = next(recording.episodes(spec))
    np.testing.assert_array_equal(read.images["top"], made.images["front"])


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"proprio": 4}, r"'observation.state' has the shape \[3\], the simulator's is \[4\]"),
        ({"action_low": (-1.0,), "action_high": (1.0,)}, r"'action' has the shape \[2\]"),
        ({"cameras": {"front": (8, 6)}}, r"shape \[6, 8, 3\], .*camera 'front' has \[8, 6, 3\]"),
        ({"control_hz": 20.0}, "has 5 actions a second, the simulator 20"),
    ],
)
def test_what_the_simulator_does_not_show_or_take_is_refused(
    tmp_path: Path, wanted: dict[str, Any], message: str
) -> None:
    written(tmp_path / "data")
    with pytest.raises(ValueError, match=message):
        LeRobot(path=tmp_path / "data").check(replace(SPEC, **wanted))


def test_actions_in_other_units_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "data")
    narrow = replace(SPEC, action_high=(1.0, 0.01))
    with pytest.raises(TrainingError, match=r"episode 0 .* were they recorded in other units\?"):
        next(LeRobot(path=tmp_path / "data").episodes(narrow))


def test_another_version_and_no_dataset_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is no LeRobot dataset: it has no meta/info\.json"):
        LeRobot(path=tmp_path).check(SPEC)
    written(tmp_path / "data")
    changed(tmp_path / "data", codebase_version="v1.6")
    with pytest.raises(ValueError, match=r"of version v1.6, known are v2.1 and v3.0$"):
        LeRobot(path=tmp_path / "data").check(SPEC)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"its meta/info\.json cannot be read: Expecting property name"),
        ("[]", r"its meta/info\.json cannot be read: 'list' object"),
        ('{"codebase_version": "v3.0"}', r"its meta/info\.json has no features$"),
    ],
)
def test_a_description_that_is_none_is_explained(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/info.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        LeRobot(path=tmp_path).check(SPEC)


def test_a_torn_table_is_named(tmp_path: Path) -> None:
    written(tmp_path / "data")
    file = tmp_path / "data/data/chunk-000/file-000.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(TrainingError, match=r"file-000.parquet cannot be read"):
        next(LeRobot(path=tmp_path / "data").episodes(SPEC))
