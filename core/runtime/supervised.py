"""A worker that is there whenever it is asked for: replaced when it dies, hangs or retires."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlvla.core.errors import PluginError
from rlvla.core.runtime.calls import AnswerError, Calls, Within

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.runtime.link import Connect

RECYCLED = "recycled"


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """How long workers may take, in seconds."""

    start: float = 300
    reset: float = 120
    step: float = 30
    model: float = 600
    close: float = 10

    def of(self, what: str) -> Within:
        """Return one of them by its name."""
        return Within(what, getattr(self, what))


class Supervised:
    """A worker that is built by its first call and built anew after its end."""

    def __init__(
        self,
        name: str,
        connect: Connect,
        deadlines: Deadlines,
        recipe: tuple[str, Mapping[str, Any]],
    ) -> None:
        self.name = name
        self.deadlines = deadlines
        self.replaced = Counter[str]()
        """How often it was replaced, by why: see `Calls.fate`, or `recycled`."""
        self._connect = connect
        self._recipe = recipe
        self._calls: Calls | None = None
        self._retired: list[Calls] = []
        self._starting = asyncio.Lock()

    async def ready(self) -> Calls:
        """Return the living worker, after starting one if there is none."""
        async with self._starting:
            if self._calls is not None and not self._calls.alive:
                self.replaced[self._calls.fate] += 1
                self._calls = None
            if self._calls is None:
                self._calls = Calls(self.name, self._connect)
                await self._build(self._calls)
            return self._calls

    def retire(self) -> None:
        """Have the present worker replaced when one is asked for; it goes on until dismissed."""
        if self._calls is not None:
            self.replaced[RECYCLED] += 1
            self._retired = [one for one in [*self._retired, self._calls] if one.alive]
            self._calls = None

    def dismiss(self, worker: Calls) -> None:
        """Let a worker end if it is retired: nobody will ask it for anything."""
        if worker in self._retired:
            worker.leave(self.deadlines.of("close"))

    async def close(self) -> None:
        """End the worker, and those that it replaced."""
        present = [] if self._calls is None else [self._calls]
        async with asyncio.TaskGroup() as group:
            for one in (*self._retired, *present):
                group.create_task(one.close(self.deadlines.of("close")))

    async def _build(self, calls: Calls) -> None:
        try:
            await calls.call("build", *self._recipe, within=self.deadlines.of("start"))
        except AnswerError as error:
            calls.kill()
            raise PluginError(f"{self.name} could not be started: {error}") from error
