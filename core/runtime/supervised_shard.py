"""A simulator worker under supervision: which worker holds the episode of each lane."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rlvla.core.errors import LaneLostError
from rlvla.core.runtime.calls import AnswerError, Within, WorkerDiedError, as_loss
from rlvla.core.runtime.recycling import Recycle
from rlvla.core.types import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.runtime.calls import Calls
    from rlvla.core.runtime.supervised import Supervised
    from rlvla.core.runtime.wire import Message
    from rlvla.core.types import Start
    from rlvla.core.workers import Beginning, Move

NEVER = Recycle()


class SupervisedShard:
    """A simulator worker; its death or silence costs the episodes of its lanes.

    One that is recycled holds the episodes that it has begun until they are over, while others
    begin in its successor.
    """

    def __init__(self, lanes: Sequence[int], worker: Supervised, recycle: Recycle = NEVER) -> None:
        self.lanes = lanes
        self._worker = worker
        self._step = worker.deadlines.of("step")
        self._recycle = recycle
        self._holders: dict[int, Calls] = {}
        self._newest: Calls | None = None
        self._begun = 0
        """Episodes that the newest worker has begun."""

    async def ready(self) -> None:
        """Start the worker."""
        await self._worker.ready()

    async def reset(self, lane: int, start: Start, *, into: int) -> None:
        """Begin an episode; see `ShardWorker.reset`."""
        await self._begin([lane], "reset", lane, start, into)

    async def replay(self, lane: int, start: Start, slots: Sequence[int], *, into: int) -> None:
        """Repeat an episode; see `ShardWorker.replay`."""
        await self._begin([lane], "replay", lane, start, slots, into, steps=len(slots))

    async def reset_batch(self, beginnings: Sequence[Beginning]) -> None:
        """Begin episodes in many lanes at once; see `ShardWorker.reset_batch`."""
        lanes = [lane for lane, _, _ in beginnings]
        await self._begin(lanes, "reset_batch", beginnings)

    async def step(self, lane: int, slot: int, *, into: int) -> Outcome:
        """Execute the actions in `slot`; see `ShardWorker.step`."""
        return await self._ask(lane, "step", lane, slot, into)

    async def demonstrate(self, lane: int, slot: int, *, into: int) -> Outcome:
        """Let the expert act; see `ShardWorker.demonstrate`."""
        return await self._ask(lane, "demonstrate", lane, slot, into)

    async def step_batch(self, moves: Sequence[Move]) -> Sequence[Outcome]:
        """Execute the actions of many lanes at once; see `ShardWorker.step_batch`.

        Each worker that holds some of the episodes is asked for its part. All are over when this
        returns or raises, so that none still writes into rows of lanes that have shared the fate
        of another.
        """
        parts: dict[Calls, list[Move]] = {}
        for move in moves:
            parts.setdefault(self._holders[move[0]], []).append(move)
        asked = [self._ask_batch(holder, part) for holder, part in parts.items()]
        found: dict[int, Outcome] = {}
        for one in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(one, BaseException):
                raise one
            found |= one
        self._let_go([lane for lane, outcome in found.items() if outcome.done])
        return [found[lane] for lane, _, _ in moves]

    async def close(self) -> None:
        """End the worker."""
        await self._worker.close()

    async def _begin(
        self, lanes: Sequence[int], method: str, *values: Message, steps: int = 0
    ) -> None:
        """Ask the living worker: from now on it holds the episodes of these lanes."""
        self._let_go(lanes)
        try:
            holder = await self._host(len(lanes))
        except WorkerDiedError as died:
            raise LaneLostError(lanes[0], died.reason, str(died)) from died
        self._holders |= dict.fromkeys(lanes, holder)
        deadlines = self._worker.deadlines
        within = Within("reset", deadlines.reset + steps * deadlines.step)
        await _answer(lanes[0], holder.call(method, *values, within=within))

    async def _host(self, episodes: int) -> Calls:
        """Return the worker for so many new episodes: a new one if the present one has had its."""
        while True:
            host = await self._worker.ready()
            if host is not self._newest:
                self._newest, self._begun = host, 0
            if not self._recycle.due(host, begun=self._begun):
                self._begun += episodes
                return host
            self._worker.retire()
            self._dismiss(host)

    def _let_go(self, lanes: Sequence[int]) -> None:
        """Note that the episodes of these lanes are over."""
        for lane in lanes:
            if (holder := self._holders.pop(lane, None)) is not None:
                self._dismiss(holder)

    def _dismiss(self, holder: Calls) -> None:
        """Let a worker end, if it is retired and holds no episode."""
        if holder not in self._holders.values():
            self._worker.dismiss(holder)

    async def _ask(self, lane: int, method: str, *values: Message) -> Outcome:
        """Ask the worker that began the lane's episode: its successor knows nothing of it."""
        answer = self._holders[lane].call(method, *values, within=self._step)
        outcome = Outcome(*await _answer(lane, answer))
        if outcome.done:
            self._let_go([lane])
        return outcome

    async def _ask_batch(self, holder: Calls, moves: Sequence[Move]) -> dict[int, Outcome]:
        answer = holder.call("step_batch", moves, within=self._step)
        lanes = [lane for lane, _, _ in moves]
        outcomes = [Outcome(*one) for one in await _answer(lanes[0], answer)]
        return dict(zip(lanes, outcomes, strict=True))


async def _answer(lane: int, answer: asyncio.Future[Message]) -> Message:
    try:
        return await answer
    except WorkerDiedError as died:
        raise LaneLostError(lane, died.reason, str(died)) from died
    except AnswerError as error:
        raise as_loss(lane, error) from error
