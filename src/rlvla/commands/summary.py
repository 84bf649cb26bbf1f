"""What is printed when a run is over: how it went and where everything is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rlvla.core.run_dir import EVALUATIONS
from rlvla.core.success import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLACES = ("report.html", "checkpoints", "videos")
"""What a run folder holds for people, in the order in which they ask for it."""


def summary(run_dir: Path) -> Iterator[str]:
    """Yield the lines that end `rlvla run`: success, places, and the commands that come next."""
    for moment, tally in evaluations(run_dir):
        yield f"{moment + ':':13}{tally.line()}, {tally.mean_steps:.1f} steps, {tally.protocol}"
    for place in PLACES:
        if (run_dir / place).exists():
            yield f"{place.partition('.')[0] + ':':13}{run_dir / place}"
    yield f"{'next:':13}rlvla eval {run_dir} --episodes 200"
    yield f"{'':13}tensorboard --logdir {run_dir}"


def evaluations(run_dir: Path) -> list[tuple[str, Tally]]:
    """Return the recorded evaluations before and after training."""
    path = run_dir / EVALUATIONS
    records: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    return [
        (record["moment"], Tally.from_json(record))
        for record in records
        if record["moment"] in ("before", "after")
    ]
