"""The stream of training starts: each ordinal names one start, for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.types import Start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.types import Split

WORD = (1 << 64) - 1


class Starts:
    """Hands out starts, one task after the other; `ordinal` is the next one's.

    With a `stride` they share the stream with others that begin elsewhere.
    """

    def __init__(
        self, tasks: Sequence[str], *, seed: int, ordinal: int = 0, stride: int = 1
    ) -> None:
        self.ordinal = ordinal
        self._stride = stride
        self._tasks = tasks
        self._seed = seed

    def next(self) -> tuple[int, Start]:
        """Return the next ordinal and its start."""
        ordinal = self.ordinal
        self.ordinal += self._stride
        return ordinal, start_of(self._tasks, "train", ordinal, seed=self._seed)


def start_of(tasks: Sequence[str], split: Split, ordinal: int, *, seed: int = 0) -> Start:
    """Return the start with this ordinal of a split."""
    index, task = divmod(ordinal, len(tasks))
    return Start(tasks[task], split, index, seed)


def noise_seed(seed: int, episode: int, decision: int) -> int:
    """Return the seed of a decision's sampling noise: a function of these three alone, 64 bits."""
    mixed = (seed * 0x9E3779B97F4A7C15 + episode) & WORD
    mixed = ((mixed ^ (mixed >> 29)) * 0xBF58476D1CE4E5B9 + decision) & WORD
    return mixed ^ (mixed >> 32)
