"""Planted defects: rollouts that are interrupted while the weights change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.batcher import Batcher
from rlvla.core.slots import FreeSlots
from rlvla.core.standstill import Standstill

if TYPE_CHECKING:
    from collections.abc import Mapping


class ServesOn(Batcher):
    def hold(self) -> None:
        pass


class DoesNotWaitForTheBatch(Batcher):
    async def idle(self) -> None:
        pass


class IsNotWokenUp(Batcher):
    def go_on(self) -> None:
        self._held = False


class SeesNothing(Standstill):
    async def begin(self, version: int) -> None:
        for one in self.batchers:
            one.hold()
            await one.idle()


class EndsAtOnce(Standstill):
    """Decisions are made while the weights change."""

    async def begin(self, version: int) -> None:
        await super().begin(version)
        self._go_on()


class SeesWhatIsFreeToo(FreeSlots):
    """A row that nobody holds any more is not forgotten."""

    _seen: dict[int, tuple[int, int]] | None = None

    def decided(self, slot: int, *, lane: int, version: int) -> None:
        super().decided(slot, lane=lane, version=version)
        self._seen = {**(self._seen or {}), slot: (lane, version)}
        self.decisions.update(self._seen)


STANDSTILLS: Mapping[str, Mapping[str, object]] = {
    "serves during a standstill": {"crew:Batcher": ServesOn},
    "does not wait for the batch that is being served": {"crew:Batcher": DoesNotWaitForTheBatch},
    "is not woken up after a standstill": {"crew:Batcher": IsNotWokenUp},
    "has nothing seen before the weights change": {"pipeline:Standstill": SeesNothing},
    "ends a standstill before the weights change": {"pipeline:Standstill": EndsAtOnce},
    "has what is free seen": {"crew:FreeSlots": SeesWhatIsFreeToo},
}
