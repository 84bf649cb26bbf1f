"""Images of an episode: PNGs of a table, or what a video shows at some times."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from rlvla.core.errors import TrainingError
from rlvla.plugins.extras import needed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

TOLERANCE = 0.51
"""How far from its time a frame may be, in units of the time between two."""


def packed(image: NDArray[np.uint8]) -> bytes:
    """Return an image, uint8 [height, width, 3], as a PNG."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def unpacked(data: bytes) -> NDArray[np.uint8]:
    """Return what `packed` returned, or any other image file, as uint8 [height, width, 3]."""
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"))


def filmed(path: Path, times: Sequence[float]) -> NDArray[np.uint8]:
    """Return the frames of a video nearest to rising times in seconds, [T, height, width, 3]."""
    av = needed("av", extra="video")
    seen: list[tuple[float, Any]] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        container.seek(max(int(times[0] / stream.time_base), 0), stream=stream)
        for frame in container.decode(stream):
            seen.append((frame.time, frame))
            if frame.time >= times[-1]:
                break
    if not seen:
        raise TrainingError(f"{path} shows nothing at {times[0]:g} s")
    shown = np.array([time for time, _ in seen])
    nearest = np.abs(shown[None] - np.asarray(times)[:, None]).argmin(1)
    late = np.abs(shown[nearest] - times).max()
    if late > TOLERANCE / float(stream.average_rate):
        raise TrainingError(f"{path} has no frame within {late:g} s of one that an episode names")
    frames: list[Any] = [seen[index][1] for index in nearest.tolist()]
    return np.stack([np.asarray(one.to_ndarray(format="rgb24"), np.uint8) for one in frames])
