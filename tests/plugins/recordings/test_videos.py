"""Episodes whose images are in videos, as LeRobot records them from cameras."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rlvla.core.errors import TrainingError
from rlvla.core.types import SimulatorSpec
from rlvla.plugins.recordings.lerobot import LeRobot
from rlvla.plugins.recordings.lerobot.frames import filmed

if TYPE_CHECKING:
    from pathlib import Path

av: Any = pytest.importorskip("av", reason="needs PyAV, the extra `video`")
pyarrow: Any = pytest.importorskip("pyarrow", reason="needs pyarrow, the extra `datasets`")
parquet: Any = pytest.importorskip("pyarrow.parquet")

RATE, SIZE = 5, 32
SPEC = SimulatorSpec(
    cameras={"front": (SIZE, SIZE)},
    proprio=1,
    action_low=(-1.0,),
    action_high=(1.0,),
    max_steps=9,
    control_hz=RATE,
)
FEATURE = "observation.images.front"


def film(path: Path, shades: list[int]) -> None:
    """Write a video of one frame of each shade."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for shade in shades:
            image = np.full((SIZE, SIZE, 3), shade, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def dataset(root: Path, version: str) -> None:
    """Write two episodes of 3 frames with shades 0, 20, 40 and 60, 80, 100."""
    (root / "meta/episodes").mkdir(parents=True)
    (root / "data").mkdir()
    packed = version == "v3.0"
    kind = {"dtype": "video", "shape": [SIZE, SIZE, 3], "names": ["height", "width", "channel"]}
    one = {"dtype": "float32", "shape": [1], "names": None}
    info = {"codebase_version": version, "fps": RATE, "chunks_size": 1000} | {
        "features": {FEATURE: kind, "observation.state": one, "action": one},
        "video_path": "videos/{video_key}/file-{file_index:03d}.mp4"
        if packed
        else "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    }
    (root / "meta/info.json").write_text(json.dumps(info))
    (root / "meta/tasks.jsonl").write_text(json.dumps({"task_index": 0, "task": "go"}))
    parquet.write_table(
        pyarrow.table({"task_index": [0], "name": ["go"]}), root / "meta/tasks.parquet"
    )
    columns: dict[str, Any] = {
        "frame_index": [0, 1, 2] * 2,
        "episode_index": [0] * 3 + [1] * 3,
        "index": [*range(6)],
        "task_index": [0] * 6,
        "timestamp": np.array([0, 0.2, 0.4] * 2, np.float32),
        "observation.state": np.zeros(6, np.float32),
        "action": np.zeros(6, np.float32),
    }
    parquet.write_table(pyarrow.table(columns), root / "data/all.parquet")
    key = f"videos/{FEATURE}/"
    rows = [
        {"episode_index": number, f"{key}chunk_index": 0, f"{key}file_index": 7}
        | {f"{key}from_timestamp": 0.6 * number}
        for number in range(2)
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), root / "meta/episodes/all.parquet")
    if packed:
        film(root / f"videos/{FEATURE}/file-007.mp4", [*range(0, 120, 20)])
    for number in range(0 if packed else 2):
        path = root / f"videos/chunk-000/{FEATURE}/episode_{number:06d}.mp4"
        film(path, [60 * number + shade for shade in (0, 20, 40)])


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_each_frame_is_the_one_that_its_episode_names(tmp_path: Path, version: str) -> None:
    dataset(tmp_path, version)
    recording = LeRobot(path=tmp_path)
    recording.check(SPEC)
    shades = [one.images["front"].mean((1, 2, 3)).tolist() for one in recording.episodes(SPEC)]
    np.testing.assert_allclose(shades, [[0, 20, 40], [60, 80, 100]], atol=4)


def test_a_video_that_ends_too_early_is_named(tmp_path: Path) -> None:
    film(tmp_path / "short" / "a.mp4", [0, 20])
    with pytest.raises(TrainingError, match=r"a.mp4 has no frame within .* of one that an episode"):
        filmed(tmp_path / "short" / "a.mp4", [0.0, 0.2, 0.8])
