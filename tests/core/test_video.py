from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageSequence

from rlvla.core.video import write_video

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = np.array([[250, 10, 10], [10, 250, 10], [10, 10, 250]], np.uint8)

with_webp = pytest.mark.skipif(find_spec("av") is not None, reason="PyAV writes MP4 instead")


def plain_frames(height: int, width: int) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    return [np.broadcast_to(colour, (height, width, 3)).copy() for colour in COLOURS]


@with_webp
def test_a_small_video_is_enlarged_and_keeps_its_pictures(tmp_path: Path) -> None:
    path = write_video(plain_frames(20, 30), tmp_path / "episode-0.5", fps=20)
    assert path == tmp_path / "episode-0.5.webp"
    with Image.open(path) as video:
        assert (video.size, getattr(video, "n_frames", 1)) == ((120, 80), 3)
        for colour, frame in zip(COLOURS, ImageSequence.Iterator(video), strict=True):
            shown = np.asarray(frame.convert("RGB")).mean((0, 1))
            assert np.abs(shown - colour).max() < 16
            assert frame.info["duration"] == 50


@with_webp
def test_a_large_video_keeps_its_size(tmp_path: Path) -> None:
    path = write_video(plain_frames(128, 200), tmp_path / "episode", fps=5)
    with Image.open(path) as video:
        assert video.size == (200, 128)


@pytest.mark.skipif(find_spec("av") is None, reason="needs PyAV")
def test_with_pyav_a_video_is_an_mp4(tmp_path: Path) -> None:
    path = write_video(plain_frames(131, 201), tmp_path / "episode", fps=12.5)
    assert path.suffix == ".mp4"
    assert path.read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("frames", "fault"),
    [
        ([], "at least one frame"),
        ([np.zeros((4, 4), np.uint8)], r"got uint8 \(4, 4\)"),
        ([np.zeros((4, 4, 3), np.float32)], r"got float32 \(4, 4, 3\)"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)], "differ in shape"),
    ],
)
def test_what_is_no_video_is_refused(
    tmp_path: Path, frames: list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        write_video(frames, tmp_path / "episode", fps=10)
    with pytest.raises(ValueError, match="fps must be positive, got 0"):
        write_video(frames, tmp_path / "episode", fps=0)
