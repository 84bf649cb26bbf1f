"""Publication: the newest weights on their way to the generators, beside everything else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rlvla.core.clock import now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.admission import Admission
    from rlvla.core.dispatcher import Dispatcher
    from rlvla.core.ordered import Gate
    from rlvla.core.trace import Tracer
    from rlvla.core.workers import TrainerWorker


class Publisher:
    """Publishes what the learner announces, one version at a time and the newest next.

    Only what every generator can see counts: then admission may start work for a later batch,
    and no batch is decided with older weights.
    """

    def __init__(
        self,
        trainer: TrainerWorker,
        dispatchers: Sequence[Dispatcher],
        admission: Admission | Gate,
        tracer: Tracer | None = None,
        *,
        skips: bool = True,
    ) -> None:
        self._trainer = trainer
        self._dispatchers = dispatchers
        self._admission = admission
        self._tracer = tracer
        self._skips = skips
        """A version may be superseded before it is published."""
        self._announced: int | None = None
        self._closed = False
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()

    async def announce(self, version: int) -> None:
        """Have `version`, which the trainer holds now, published.

        Returns when the trainer was asked for it, before it is asked for anything else, unless
        an older version is still on its way. If none may be skipped, it waits for that first.
        Once closed it does nothing.
        """
        if self._closed:
            return
        if not self._skips:
            await self.settled()
        self._announced = version
        self._settled.clear()
        self._changed.set()
        await asyncio.sleep(0)

    async def settled(self) -> None:
        """Wait until everything that was announced is published, or superseded."""
        await self._settled.wait()

    async def run(self) -> None:
        """Publish until closed."""
        while not self._closed:
            self._changed.clear()
            version, self._announced = self._announced, None
            if version is None:
                self._settled.set()
                await self._changed.wait()
            else:
                await self._publish(version)

    def close(self) -> None:
        """End `run` after the present publication."""
        self._closed = True
        self._changed.set()
        self._settled.set()

    async def _publish(self, version: int) -> None:
        began = now()
        await self._trainer.publish(version)
        if self._tracer is not None:
            self._tracer.span("publish", 0, began, now(), version=version)
        for dispatcher in self._dispatchers:
            dispatcher.version = version
        self._admission.advance(version)
