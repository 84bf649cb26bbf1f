"""Where observations wait for the policy: those that wait together are decided on together."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.batcher import Batcher
from rlvla.core.metrics import Metrics
from rlvla.core.slots import FreeSlots
from rlvla.core.types import Acted, Request

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Array, Arrays, Queue

LAP = 1000
"""Answers whose measurements are kept at most."""

log = logging.getLogger(__name__)


class PolicyFailedError(Exception):
    """The policy raised on an observation; the cause is in the log."""


@dataclass(frozen=True)
class Answer:
    """What the policy decided."""

    actions: Array
    """Float32 [C, D], in the simulator's units."""
    infer_s: float
    """Seconds of its forward pass, shared with the others of the batch."""


@dataclass(frozen=True)
class AtOnce:
    """Whoever waits when the policy is free is served: see `BatchingRule`."""

    max_batch: int

    def take(self, queue: Queue) -> Sequence[int]:
        """Return the oldest."""
        return range(min(len(queue.lanes), self.max_batch))

    def patience_ms(self, waited_ms: float) -> float | None:
        """Wait for an arrival."""
        del waited_ms
        return None

    def served(self, size: int, seconds: float, waited: float) -> None:
        """Learn nothing."""


class Desk:
    """Takes observations from any number of connections to one policy."""

    def __init__(
        self, policy: Policy, *, version: int, temperature: float, max_batch: int, seats: int
    ) -> None:
        self.answered = 0
        self._metrics = Metrics(shards=1)
        self._decider = Decider(policy, version)
        self._batcher = Batcher(AtOnce(max_batch), self._decider, self._metrics)
        self._temperature = temperature
        self._free = FreeSlots(seats)

    async def warm(self, row: Arrays) -> None:
        """Decide on a row that nobody sent, so that the first client need not wait for what is
        compiled and allocated once.
        """
        request = Request(0, 0, 0, self._temperature)
        await asyncio.to_thread(self._decider.decided, [request], [row])

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Serve while inside."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._batcher.run())
            try:
                yield
            finally:
                self._batcher.close()

    async def decide(self, row: Arrays) -> Answer:
        """Return the decision on an observation.

        Raise PolicyFailedError if the policy raises, `ClosedError` if the desk closes first.
        """
        seat = self._free.take()
        try:
            self._decider.observations[seat] = row
            request = Request(seat, seat, secrets.randbits(63), self._temperature)
            await self._batcher.decide(request)
            answer = self._decider.answers.pop(seat)
        finally:
            self._decider.observations.pop(seat, None)
            self._free.release([seat])
        if answer is None:
            raise PolicyFailedError
        self.answered += 1
        if self.answered % LAP == 0:
            self._metrics.row()  # what nobody empties grows
        return answer


class Decider:
    """The generator of the desk: decides in a thread, so that the event loop goes on."""

    def __init__(self, policy: Policy, version: int) -> None:
        self.observations: dict[int, Arrays] = {}
        self.answers: dict[int, Answer | None] = {}
        """None where the policy raised."""
        self._policy = policy
        self._version = version

    async def act(self, requests: Sequence[Request], *, version: int, rows: int) -> Acted:
        """Answer each request; see `GeneratorWorker.act`."""
        del version, rows
        rows_of = [self.observations[one.slot] for one in requests]
        answers = await asyncio.to_thread(self._answered, requests, rows_of)
        self.answers |= {one.slot: answer for one, answer in zip(requests, answers, strict=True)}
        return Acted(self._version, 0.0)

    def _answered(
        self, requests: Sequence[Request], rows: Sequence[Arrays]
    ) -> Sequence[Answer | None]:
        """Decide on all at once, or one by one if one of them is too much for the policy."""
        try:
            return self.decided(requests, rows)
        except Exception:
            if len(requests) == 1:
                log.exception("the policy failed on an observation")
                return [None]
        pairs = zip(requests, rows, strict=True)
        return [self._answered([request], [row])[0] for request, row in pairs]

    def decided(self, requests: Sequence[Request], rows: Sequence[Arrays]) -> list[Answer]:
        """Return the policy's decisions on all rows at once."""
        import torch

        began = time.monotonic()
        with torch.no_grad():
            decision = self._policy.act(
                {name: np.stack([row[name] for row in rows]) for name in rows[0]},
                seeds=np.array([one.seed for one in requests], np.uint64),
                temperature=np.array([one.temperature for one in requests], np.float32),
            )
        took = time.monotonic() - began
        return [Answer(np.asarray(actions), took) for actions in decision["action"]]
