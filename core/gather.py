"""Where the lanes of a batched simulator meet, so that they are stepped all at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias

from rlvla.core.errors import ClosedError, LaneLostError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rlvla.core.dispatcher import Dispatcher
    from rlvla.core.gauge import Gauge
    from rlvla.core.types import Outcome, Start
    from rlvla.core.workers import Beginning, ShardWorker

Asked: TypeAlias = "dict[int, tuple[tuple[Any, ...], asyncio.Future[Any]]]"
"""Lane to what is asked of it and the answer to be."""


class Gather:
    """A shard whose lanes wait for each other: a batched simulator keeps its batch whole.

    What is asked of lanes goes on when every lane that takes part has asked for something, as
    one call for those that begin an episode and one for those that step. Until then a lane cannot
    ask for a decision, and no batch of decisions waits for it: the other lanes of its group may
    need one before they come here.
    """

    def __init__(self, shard: ShardWorker, gauge: Gauge, dispatcher: Dispatcher) -> None:
        self.lanes = shard.lanes
        self._shard = shard
        self._gauge = gauge
        self._dispatcher = dispatcher
        self._members: set[int] = set()
        self._resets: Asked = {}
        self._steps: Asked = {}
        self._changed = asyncio.Event()
        self._closed = False

    async def run(self) -> None:
        """Go on whenever all lanes have asked, until `close`."""
        while not self._closed:
            if self._members <= self._resets.keys() | self._steps.keys():
                await self._go_on()
            await self._changed.wait()  # a lane that leaves may join again before this wakes
            self._changed.clear()

    def close(self) -> None:
        """End `run` after the present steps; who waits for others gets `ClosedError`."""
        self._closed = True
        self._changed.set()
        for asked in (self._resets, self._steps):
            for _, (_, answer) in _waiting(asked):
                answer.set_exception(ClosedError())
            asked.clear()

    def join(self, lane: int) -> None:
        """Have the others wait for one more lane."""
        self._members.add(lane)

    def leave(self, lane: int) -> None:
        """Have the others wait for one lane fewer."""
        self._members.discard(lane)
        self._changed.set()

    async def reset(self, lane: int, start: Start, *, into: int) -> None:
        """Begin an episode together with the others; see `ShardWorker.reset`."""
        await self._ask(self._resets, lane, (lane, start, into))

    async def step(self, lane: int, slot: int, *, into: int) -> Outcome:
        """Execute the actions in `slot` together with the others; see `ShardWorker.step`."""
        outcome: Outcome = await self._ask(self._steps, lane, (lane, slot, into))
        return outcome

    async def replay(self, lane: int, start: Start, slots: Sequence[int], *, into: int) -> None:
        """Repeat an episode, at once; see `ShardWorker.replay`."""
        await self._shard.replay(lane, start, slots, into=into)

    async def demonstrate(self, lane: int, slot: int, *, into: int) -> Outcome:
        """Let the expert act, at once; see `ShardWorker.demonstrate`."""
        return await self._shard.demonstrate(lane, slot, into=into)

    def _ask(self, asked: Asked, lane: int, what: tuple[Any, ...]) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._closed:
            answer.set_exception(ClosedError())
            return answer
        asked[lane] = (what, answer)
        self._dispatcher.leave(lane)
        self._changed.set()
        return answer

    async def _go_on(self) -> None:
        resets, steps, self._resets, self._steps = self._resets, self._steps, {}, {}
        if not resets and not steps:
            return
        for lane in self._members & (resets.keys() | steps.keys()):
            self._dispatcher.join(lane)
        with self._gauge.busy("step_batch", self._gauge.number, size=len(steps) + len(resets)):
            await _answer(steps, self._shard.step_batch)
            await _answer(resets, self._reset_batch)

    async def _reset_batch(self, beginnings: Sequence[Beginning]) -> Sequence[None]:
        await self._shard.reset_batch(beginnings)
        return [None] * len(beginnings)


async def _answer(asked: Asked, call: Callable[[Any], Awaitable[Sequence[Any]]]) -> None:
    """Make the call for all lanes that asked; they share its fate."""
    if not asked:
        return
    try:
        results = await call([what for what, _ in asked.values()])
    except LaneLostError as lost:
        for lane, (_, answer) in _waiting(asked):
            answer.set_exception(LaneLostError(lane, lost.reason, lost.detail))
    except Exception as error:  # noqa: BLE001 - it is the lanes' to judge
        for _, (_, answer) in _waiting(asked):
            answer.set_exception(error)
    else:
        found = dict(zip(asked, results, strict=True))
        for lane, (_, answer) in _waiting(asked):
            answer.set_result(found[lane])


def _waiting(asked: Asked) -> list[tuple[int, tuple[tuple[Any, ...], asyncio.Future[Any]]]]:
    return [item for item in asked.items() if not item[1][1].done()]
