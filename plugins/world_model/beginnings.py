"""From where imagined episodes begin: the first observations of recorded ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from rlvla.core.types import Observation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rlvla.core.types import Start

HELD_OUT = 10
"""One beginning in so many is for evaluation alone."""
TABLE = "beginnings.json"
SHEET = "beginnings-{camera}.png"
"""Images of one camera, the first on top."""


@dataclass(frozen=True)
class Beginning:
    """Of one recorded episode."""

    task: str
    shown: Observation


class Beginnings:
    """Recorded beginnings, one of which each start means."""

    def __init__(self, recorded: Sequence[Beginning]) -> None:
        self._recorded = recorded

    def of(self, start: Start) -> Observation:
        """Return where the episode of `start` begins; raise ValueError if none is recorded."""
        tasks = (one for one in self._recorded if one.task == start.task)
        wanted = start.split == "eval"
        pool = [one for n, one in enumerate(tasks) if (n % HELD_OUT == 0) == wanted]
        if not pool:
            raise ValueError(f"no beginning of task {start.task!r} is recorded for {start.split}")
        text = f"world model 1 {start.split} {start.seed} {start.index} {start.task}"
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence([*text.encode()])))
        return pool[int(random.integers(len(pool)))].shown

    def write(self, folder: Path) -> None:
        """Write a table, and a sheet of images for each camera."""
        rows = [
            {
                "task": one.task,
                "instruction": one.shown.instruction,
                "proprio": one.shown.proprio.tolist(),
            }
            for one in self._recorded
        ]
        lines = ",\n".join(json.dumps(row) for row in rows)
        (folder / TABLE).write_text(f"[\n{lines}\n]\n")
        for camera in self._recorded[0].shown.images:
            sheet = np.concatenate([one.shown.images[camera] for one in self._recorded])
            Image.fromarray(sheet).save(folder / SHEET.format(camera=camera), optimize=True)


def read_beginnings(folder: Path, cameras: Iterable[str]) -> Beginnings:
    """Read what `Beginnings.write` wrote."""
    table = json.loads((folder / TABLE).read_text())
    sheets = {camera: _sheet(folder, camera, len(table)) for camera in cameras}
    return Beginnings(
        [
            Beginning(
                row["task"],
                Observation(
                    {camera: sheet[place] for camera, sheet in sheets.items()},
                    np.array(row["proprio"], np.float32),
                    row["instruction"],
                ),
            )
            for place, row in enumerate(table)
        ]
    )


def _sheet(folder: Path, camera: str, count: int) -> NDArray[np.uint8]:
    """Return the images of a camera, uint8 [count, H, W, 3]."""
    with Image.open(folder / SHEET.format(camera=camera)) as image:
        sheet: NDArray[np.uint8] = np.asarray(image)
    return sheet.reshape(count, -1, *sheet.shape[1:])
