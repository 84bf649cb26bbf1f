"""A recording that is what the line's expert does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.starts import Starts
from rlvla.plugins.recordings.playing import Player
from toys.line import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlvla.core.recorded import RecordedEpisode
    from rlvla.core.types import SimulatorSpec


@dataclass(frozen=True, kw_only=True)
class Tape:
    """As many episodes as anybody wants, from the starts of a run with this seed."""

    seed: int
    cameras: int = 0

    def check(self, spec: SimulatorSpec) -> None:
        if len(spec.cameras) != self.cameras:
            raise ValueError(f"cameras of the tape: {self.cameras}")

    def episodes(self, spec: SimulatorSpec) -> Iterator[RecordedEpisode]:
        del spec
        line = Line()
        line.start(1)
        player = Player(line, lambda _: line.expert(0)[None])
        return player.successes(Starts(line.tasks, seed=self.seed))
