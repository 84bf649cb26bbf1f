"""A bounded, closable queue between two stages."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

T = TypeVar("T")


class ClosedError(Exception):
    """What was waited for will not come: the stage that would bring it has ended."""


class Channel(Generic[T]):
    """At most `capacity` items in flight; `send` waits while it is full.

    Items arrive in the order in which they were sent. After `close`, `send` raises `ClosedError`
    and receivers drain what is left before they meet it too; an `async for` then ends. Several
    senders and receivers may share a channel. A cancelled `send` or `receive` leaves it as if it
    had not been called.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self.capacity = capacity
        self.closed = False
        self._items: deque[T] = deque()
        lock = asyncio.Lock()
        self._not_full = asyncio.Condition(lock)
        self._not_empty = asyncio.Condition(lock)

    def __len__(self) -> int:
        return len(self._items)

    async def send(self, item: T) -> None:
        """Append `item`, waiting for room."""
        async with self._not_full:
            await self._not_full.wait_for(lambda: self.closed or len(self._items) < self.capacity)
            if self.closed:
                raise ClosedError
            self._items.append(item)
            self._not_empty.notify_all()

    async def receive(self) -> T:
        """Pop the oldest item, waiting for one."""
        async with self._not_empty:
            await self._not_empty.wait_for(lambda: self.closed or bool(self._items))
            if not self._items:
                raise ClosedError
            item = self._items.popleft()
            self._not_full.notify_all()
            return item

    async def close(self) -> None:
        """Let receivers drain, then stop. Idempotent."""
        async with self._not_full:
            self.closed = True
            self._not_full.notify_all()
            self._not_empty.notify_all()

    async def __aiter__(self) -> AsyncIterator[T]:
        while True:
            try:
                item = await self.receive()
            except ClosedError:
                return
            yield item
