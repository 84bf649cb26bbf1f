"""Recordings: demonstrations that somebody made before, in the place of the simulator's expert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlvla.core.recorded import RecordedEpisode
    from rlvla.core.types import SimulatorSpec


class Recording(Protocol):
    """Episodes in which a task is done, on disk. As an option of an algorithm."""

    def check(self, spec: SimulatorSpec) -> None:
        """Raise ValueError unless it shows and does what the simulator shows and takes.

        That is told from what describes the episodes; none of them is read.
        """
        ...

    def episodes(self, spec: SimulatorSpec) -> Iterator[RecordedEpisode]:
        """Yield the episodes, always in the same order, with the simulator's names of cameras."""
        ...
