"""What workers share and use in turns: cores, GPUs, and whatever else a placement names."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rlvla.core.placement import Resources


class Unit(NamedTuple):
    """One thing that one worker at a time can hold: a core, a GPU, a turn."""

    cell: int
    kind: str
    name: str | int


Claim: TypeAlias = tuple[Unit, ...]
"""Units of which any one will do; none at all if nothing is shared."""


class Ticket:
    """A wish for one unit: granted at once or later, then given back; or withdrawn."""

    __slots__ = ("claim", "granted", "since", "unit", "waiting")

    def __init__(self, claim: Claim, granted: Callable[[], None]) -> None:
        self.claim = claim
        self.granted = granted
        self.unit: Unit | None = None
        self.since = 0.0
        self.waiting = False


class Units:
    """Everything that is held by one at a time; who came first goes first."""

    def __init__(self) -> None:
        self.busy: dict[Unit, float] = {}
        """Seconds that each unit has been held by those who gave it back."""
        self._held: set[Unit] = set()
        self._queues: defaultdict[Unit, deque[Ticket]] = defaultdict(deque)
        self.loop = asyncio.get_running_loop()

    def used(self, names: Sequence[str], cells: int) -> dict[str, float]:
        """Return for how many seconds what is used in turns was in use, the mean over cells."""
        return {
            name: sum(self.busy.get(Unit(cell, "turn", name), 0.0) for cell in range(cells)) / cells
            for name in names
        }

    def acquire(self, ticket: Ticket) -> None:
        """Call `ticket.granted` once it holds one of the units that it claims, maybe at once."""
        for unit in ticket.claim:
            if unit not in self._held:
                self._grant(ticket, unit)
                return
        ticket.waiting = True
        for unit in ticket.claim:
            self._queues[unit].append(ticket)

    def release(self, ticket: Ticket) -> None:
        """Give back what `ticket` holds, or its place in the queue; harmless if it has neither."""
        unit, ticket.unit, ticket.waiting = ticket.unit, None, False
        if unit is None:
            return
        self._held.remove(unit)
        self.busy[unit] = self.busy.get(unit, 0.0) + self.loop.time() - ticket.since
        queue = self._queues[unit]
        while queue:
            other = queue.popleft()
            if other.waiting:
                self._grant(other, unit)
                return

    def _grant(self, ticket: Ticket, unit: Unit) -> None:
        self._held.add(unit)
        ticket.unit, ticket.waiting = unit, False
        ticket.since = self.loop.time()
        ticket.granted()


class Rendezvous:
    """Workers that stop together, for as long as something takes, and go on together."""

    def __init__(self, parties: int, seconds: float) -> None:
        self._missing = parties
        self._seconds = seconds
        self._resume: list[Callable[[], None]] = []

    def arrive(self, resume: Callable[[], None] | None) -> None:
        """Note that one more has stopped; None if it is no more and will not go on."""
        self._missing -= 1
        if resume is not None:
            self._resume.append(resume)
        if self._missing == 0:
            loop = asyncio.get_running_loop()
            for one in self._resume:
                loop.call_later(self._seconds, one)


def claims(resources: Resources, cell: int, number: int) -> Claim:
    """Return what worker `number` of a group holds while it works.

    A turn if the group takes turns, else its GPU, else any of the cores that the group is bound
    to. Cells are machines of their own: they share nothing.
    """
    if resources.turns is not None:
        return (Unit(cell, "turn", resources.turns),)
    if resources.gpus:
        return (Unit(cell, "gpu", resources.gpus[number % len(resources.gpus)]),)
    return tuple(Unit(cell, "core", core) for core in resources.cores)


def ranks(resources: Resources, cells: int) -> list[Claim]:
    """Return what each rank of the trainer holds: one rank per GPU of each cell, at least one.

    A cell whose trainer takes turns has one rank.
    """
    each = 1 if resources.turns is not None else max(1, len(resources.gpus))
    return [claims(resources, cell, number) for cell in range(cells) for number in range(each)]
