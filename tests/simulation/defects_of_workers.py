"""Planted defects: how workers are asked, watched, replaced and recycled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.runtime.calls import Calls, WorkerDiedError
from rlvla.core.runtime.supervised import Supervised
from rlvla.core.runtime.supervised_shard import SupervisedShard
from rlvla.core.runtime.supervision import SupervisedGenerator
from rlvla.core.types import Acted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.runtime.wire import Message
    from rlvla.core.types import Outcome, Request
    from rlvla.core.workers import Move


class TakesTheAnswerOfAnother(Calls):
    """Answers belong to the oldest call: a second answer to one is taken for that to the next."""

    def answered(self, number: int, kind: str, result: Message) -> None:
        super().answered(next(iter(self._pending), number), kind, result)


class FailsOnASecondAnswer(Calls):
    def answered(self, number: int, kind: str, result: Message) -> None:
        if number not in self._pending:
            raise KeyError(number)
        super().answered(number, kind, result)


class KillsTheSlow(Calls):
    """Its clock goes on when the worker turns to another call."""

    def _watch(self) -> None:
        self._timer = None
        if self._pending:
            _, self._passed = next(iter(self._pending.values()))
            self._link.kill()


class WaitsForEver(Calls):
    def _watch(self) -> None:
        self._timer = None


class DoesNotAskAgain(SupervisedGenerator):
    async def act(self, requests: Sequence[Request], *, version: int, rows: int) -> Acted:
        try:
            calls = await self._worker.ready()
            within = self._worker.deadlines.of("model")
            acted = await calls.call("act", requests, version=version, rows=rows, within=within)
        except WorkerDiedError:
            return Acted(version)
        return Acted(*acted)


class StepsWithASuccessor(SupervisedShard):
    async def _ask(self, lane: int, method: str, *values: Message) -> Outcome:
        self._holders[lane] = await self._worker.ready()
        return await super()._ask(lane, method, *values)


class StepsABatchWithASuccessor(SupervisedShard):
    async def step_batch(self, moves: Sequence[Move]) -> Sequence[Outcome]:
        newest = max((lane for lane, _, _ in moves), key=lambda one: self._holders[one].alive)
        for lane, _, _ in moves:
            self._holders[lane] = self._holders[newest]
        return await super().step_batch(moves)


class EndsAtOnce(Supervised):
    """A worker that retires takes the episodes with it that are not over."""

    def retire(self) -> None:
        retired, self._calls = self._calls, None
        if retired is not None:
            retired.leave(self.deadlines.of("close"))


class NeverLetsGo(Supervised):
    """Workers that have retired stay to the end of the run."""

    def dismiss(self, worker: Calls) -> None:
        del worker


WORKERS: Mapping[str, Mapping[str, object]] = {
    "takes the answer of another call": {"runtime.supervised:Calls": TakesTheAnswerOfAnother},
    "fails on a second answer": {"runtime.supervised:Calls": FailsOnASecondAnswer},
    "kills who is slow": {"runtime.supervised:Calls": KillsTheSlow},
    "waits for ever for who hangs": {"runtime.supervised:Calls": WaitsForEver},
    "does not ask a generator again": {
        "runtime.virtual.runtime:SupervisedGenerator": DoesNotAskAgain
    },
    "ends a worker at once that retires": {"runtime.virtual.runtime:Supervised": EndsAtOnce},
    "never lets a worker go that retires": {"runtime.virtual.runtime:Supervised": NeverLetsGo},
    "has a successor step": {"runtime.virtual.runtime:SupervisedShard": StepsWithASuccessor},
    "has a successor step a batch": {
        "runtime.virtual.runtime:SupervisedShard": StepsABatchWithASuccessor
    },
}
