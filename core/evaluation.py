"""Evaluation: episodes from held-out starts, greedily decoded, beside the training."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.errors import LaneLostError
from rlvla.core.lane import be_patient
from rlvla.core.starts import start_of
from rlvla.core.success import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rlvla.core.lane import Lane
    from rlvla.core.protocol import EvaluationProtocol
    from rlvla.core.types import Start
    from rlvla.core.workers import Rows

    Frames = list[NDArray[np.uint8]]

GREEDY = 0.0
ENDINGS = ("failure", "success")


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found."""

    tally: Tally
    videos: dict[str, Frames]
    """Frames of the first episodes, uint8 [H, W, 3], by a name that tells how they ended."""


class Evaluator:
    """Runs one evaluation at a time on lanes of its own.

    Episode `n` of an evaluation begins from the evaluation start with ordinal `n`, so that all
    evaluations of all runs of a protocol measure the same thing.
    """

    def __init__(self, lanes: Sequence[Lane], slots: Sequence[Rows]) -> None:
        self._lanes = lanes
        self._slots = slots
        self._turn = asyncio.Lock()

    async def evaluate(self, protocol: EvaluationProtocol, *, videos: int) -> Evaluation:
        """Play all episodes of a protocol under the newest weights."""
        async with self._turn:
            version = self._lanes[0].version
            played: dict[int, tuple[str, bool, int]] = {}
            frames: dict[int, Frames] = {ordinal: [] for ordinal in range(videos)}
            starts = iter([(n, start_of(protocol.tasks, "eval", n)) for n in range(protocol.total)])
            async with asyncio.TaskGroup() as lanes:
                for lane in self._lanes:
                    lanes.create_task(self._play_all(lane, starts, played, frames))
            ordered = [played[ordinal] for ordinal in sorted(played)]
            return Evaluation(
                Tally.count(ordered, protocol=protocol.name, version=version),
                {f"{n}-{ENDINGS[played[n][1]]}": one for n, one in frames.items() if one},
            )

    async def _play_all(
        self,
        lane: Lane,
        starts: Iterator[tuple[int, Start]],
        played: dict[int, tuple[str, bool, int]],
        frames: dict[int, Frames],
    ) -> None:
        for ordinal, start in starts:
            losses = 0
            while ordinal not in played:
                try:
                    played[ordinal] = await self._play(lane, ordinal, start, frames.get(ordinal))
                except LaneLostError as lost:
                    losses += 1
                    lane.forget()
                    frames.get(ordinal, []).clear()
                    await be_patient(losses, lost)

    async def _play(
        self, lane: Lane, ordinal: int, start: Start, frames: Frames | None
    ) -> tuple[str, bool, int]:
        with lane.taking_part():
            await lane.begin(start, seed=0, episode=ordinal)
            while True:
                self._film(lane, frames)
                await lane.decide(GREEDY)
                slot, outcome = await lane.advance()
                lane.free.release([slot])
                if outcome.done:
                    self._film(lane, frames)
                    lane.forget()
                    return start.task, outcome.success, lane.steps

    def _film(self, lane: Lane, frames: Frames | None) -> None:
        if frames is None:
            return
        observation = self._slots[lane.free.cell].read([lane.slot], "observation")
        images = [one[0] for name, one in observation.items() if name.startswith("image/")]
        frames.extend(images[:1])
