"""Episodes as moving pictures."""

from __future__ import annotations

from fractions import Fraction
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SMALL = 128
"""Frames with a shorter side below this are enlarged."""
ENLARGEMENT = 4


def write_video(
    frames: Sequence[NDArray[np.uint8]], path_without_suffix: Path, *, fps: float
) -> Path:
    """Write frames, uint8 [H, W, 3] each, and return the path with its suffix.

    An animated WebP, or an MP4 where PyAV is installed (`pip install rlvla[video]`). Small
    frames are enlarged. Raises ValueError if there are no frames or they differ in shape.
    """
    if not fps > 0:
        raise ValueError(f"fps must be positive, got {fps}")
    _check(frames)
    shown = [_enlarge(frame) for frame in frames]
    write, suffix = (_write_mp4, "mp4") if find_spec("av") else (_write_webp, "webp")
    path = path_without_suffix.with_name(f"{path_without_suffix.name}.{suffix}")
    write(shown, path, fps)
    return path


def _check(frames: Sequence[NDArray[np.uint8]]) -> None:
    if not frames:
        raise ValueError("a video needs at least one frame")
    for frame in frames:
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"a frame must be uint8 [H, W, 3], got {frame.dtype} {frame.shape}")
        if frame.shape != frames[0].shape:
            raise ValueError(f"frames differ in shape: {frames[0].shape} and {frame.shape}")


def _enlarge(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if min(frame.shape[:2]) >= SMALL:
        return frame
    return frame.repeat(ENLARGEMENT, axis=0).repeat(ENLARGEMENT, axis=1)


def _write_webp(frames: Sequence[NDArray[np.uint8]], path: Path, fps: float) -> None:
    first, *rest = [Image.fromarray(frame) for frame in frames]
    duration = max(1, round(1000 / fps))
    first.save(path, save_all=True, append_images=rest, duration=duration, loop=0, quality=80)


def _write_mp4(frames: Sequence[NDArray[np.uint8]], path: Path, fps: float) -> None:
    av: Any = import_module("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=Fraction(fps).limit_denominator(1000))
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = (side - side % 2 for side in frames[0].shape[:2])
        for frame in frames:
            even = np.ascontiguousarray(frame[: stream.height, : stream.width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        container.mux(stream.encode())
