"""A lane that loses no episode: who takes it over executes again what was decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.errors import LaneLostError
from rlvla.core.lane import Lane, be_patient

if TYPE_CHECKING:
    from rlvla.core.types import Outcome, Start


class ReplayingLane(Lane):
    """Begins a lost episode again from the same start and repeats its decisions.

    It keeps the rows of all decisions of the present episode for that, also those that the
    trainer has let go of. An episode that is lost again and again ends the run: nothing may
    take its place.
    """

    _start: Start | None = None
    _executed: tuple[int, ...] = ()
    """Slots of the decisions of the present episode."""

    async def begin(self, start: Start, *, seed: int, episode: int) -> None:
        """Begin an episode, however often it takes; see `Lane.begin`."""
        losses = 0
        while True:
            try:
                await super().begin(start, seed=seed, episode=episode)
            except LaneLostError as lost:
                losses += 1
                self.forget()
                await be_patient(losses, lost)
            else:
                self._start = start
                return

    async def advance(self, *, expert: bool = False) -> tuple[int, Outcome]:
        """Execute the decision, however often it takes; see `Lane.advance`."""
        losses = 0
        while True:
            try:
                if losses:
                    await self._replay()
                slot, outcome = await super().advance(expert=expert)
            except LaneLostError as lost:
                losses += 1
                await be_patient(losses, lost)
            else:
                self.free.hold(slot)
                self._executed = (*self._executed, slot)
                return slot, outcome

    def forget(self) -> None:
        """Let go of the present observation and of the episode; see `Lane.forget`."""
        super().forget()
        self.free.release(self._executed)
        self._executed = ()

    async def _replay(self) -> None:
        """Bring the simulator to the present observation, which is there already."""
        assert self._start is not None
        into = self.free.take()
        try:
            with self._gauge.busy("reset", self.number, worker=self._gauge.number):
                await self._shard.replay(self.number, self._start, self._executed, into=into)
        finally:
            self.free.release([into])
