from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from rlvla.core.admission import Admission
from rlvla.core.errors import ClosedError

if TYPE_CHECKING:
    from collections.abc import Callable


async def _entered(admission: Admission, decisions: int) -> bool:
    """Return whether work may start at once."""
    task = asyncio.create_task(admission.enter(decisions))
    await asyncio.sleep(1)
    if task.done():
        return True
    task.cancel()
    return False


@pytest.mark.parametrize("version", [0, 7])
@pytest.mark.parametrize("max_staleness", [0, 1, 3])
def test_the_first_version_admits_one_batch_and_one_for_each_version_of_staleness(
    virtually: Callable[..., object], version: int, max_staleness: int
) -> None:
    async def main() -> None:
        admission = Admission(batch_size=8, max_staleness=max_staleness, version=version)
        for _ in range(4 * (max_staleness + 1)):
            assert await _entered(admission, 2)
        assert admission.capacity == 0
        assert not await _entered(admission, 2)
        admission.finish(2)
        assert not await _entered(admission, 2), "what is finished still counts"
        admission.advance(version + 1)
        assert admission.capacity == 8

    virtually(main())


@pytest.mark.parametrize("change", ["cancel", "refund", "advance"])
def test_who_waits_enters_as_soon_as_there_is_capacity(
    virtually: Callable[..., object], change: str
) -> None:
    async def main() -> None:
        admission = Admission(batch_size=4, max_staleness=0)
        await admission.enter(2)
        await admission.enter(2)
        admission.finish(2)
        waiting = [asyncio.create_task(admission.enter(2)) for _ in range(2)]
        await asyncio.sleep(1)
        assert not any(task.done() for task in waiting)
        changes = {
            "cancel": lambda: admission.cancel(2),
            "refund": lambda: admission.refund(2),
            "advance": lambda: admission.advance(1),
        }
        changes[change]()
        await asyncio.sleep(1)
        assert sum(task.done() for task in waiting) == (2 if change == "advance" else 1)
        for task in waiting:
            task.cancel()

    virtually(main())


def test_the_close_ends_who_waits_and_who_comes_later(virtually: Callable[..., object]) -> None:
    async def main() -> None:
        admission = Admission(batch_size=1, max_staleness=0)
        await admission.enter(1)
        waiting = asyncio.create_task(admission.enter(1))
        await asyncio.sleep(0)
        admission.close()
        admission.close()
        with pytest.raises(ClosedError):
            await waiting
        with pytest.raises(ClosedError):
            await admission.enter(1)
        assert admission.running == 1

    virtually(main())
