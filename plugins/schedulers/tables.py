"""Sharding by tables: who owns and who serves each lane, written out.

The three tables are those of RL-VLA³ (arXiv 2602.05765): a simulator owns managers, a manager is
a group of lanes, and each manager is served by some generators, which share its lanes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.assignment import Assignment
from rlvla.plugins.schedulers.blocks import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Lanes are numbered simulator by simulator, manager by manager.

    Groups are numbered by manager first and simulator second, so that a round-robin order serves
    the first managers of all simulators before any second one.
    """

    lanes: list[list[int]]
    """For each simulator worker, the number of lanes of each of its managers."""
    generators: list[list[list[int]]] | None = None
    """For each simulator and manager, the generators that serve it; null: generator 0 all."""
    splits: list[list[list[int]]] | None = None
    """For each simulator and manager, how many of its lanes each of its generators serves; null:
    as even as can be."""

    def __post_init__(self) -> None:
        if not self.lanes or any(not row for row in self.lanes):
            raise ValueError(f"lanes needs a manager in each simulator:{_text(self.lanes)}")
        if any(size < 1 for row in self.lanes for size in row):
            raise ValueError(f"lanes needs at least 1 in each manager:{_text(self.lanes)}")
        if self.splits is not None and self.generators is None:
            raise ValueError("splits needs the table generators, whose lanes it splits")
        for name in ("generators", "splits"):
            self._check_shape(name)
        self._check_generators()
        self._check_splits()

    def assign(self, lanes: int, *, batched: bool = False) -> Assignment:
        """Return what the tables say; raise ValueError if they hold another number of lanes."""
        del batched
        listed = sum(map(sum, self.lanes))
        if listed != lanes:
            raise ValueError(f"lanes lists {listed} of {lanes} lanes:{_text(self.lanes)}")
        number = {place: i for i, place in enumerate(sorted(self._places(), key=lambda p: p[::-1]))}
        workers, generators, groups = list[int](), list[int](), list[int]()
        for simulator, manager in self._places():
            size = self.lanes[simulator][manager]
            workers += [simulator] * size
            groups += [number[simulator, manager]] * size
            generators += self._served(simulator, manager)
        return Assignment(tuple(workers), tuple(generators), tuple(groups))

    def _places(self) -> Iterator[tuple[int, int]]:
        for simulator, row in enumerate(self.lanes):
            yield from ((simulator, manager) for manager in range(len(row)))

    def _served(self, simulator: int, manager: int) -> list[int]:
        """Return the generator of each lane of a manager."""
        size = self.lanes[simulator][manager]
        if self.generators is None:
            return [0] * size
        own = self.generators[simulator][manager]
        if self.splits is None:
            return [own[part] for part in blocks(size, len(own))]
        shares = zip(own, self.splits[simulator][manager], strict=True)
        return [generator for generator, share in shares for _ in range(share)]

    def _check_shape(self, name: str) -> None:
        table: list[list[list[int]]] | None = getattr(self, name)
        if table is not None and [len(row) for row in table] != [len(row) for row in self.lanes]:
            raise ValueError(
                f"{name} needs one list for each manager of lanes:{_text(table)}\n"
                f"lanes:{_text(self.lanes)}"
            )

    def _check_generators(self) -> None:
        if self.generators is None:
            return
        table = _text(self.generators)
        for simulator, manager in self._places():
            own = self.generators[simulator][manager]
            if not own or len({*own}) < len(own) or len(own) > self.lanes[simulator][manager]:
                raise ValueError(
                    f"generators needs for manager {manager} of simulator {simulator} at least "
                    f"one, each once, and no more than its lanes:{table}"
                )
        numbers = {one for row in self.generators for own in row for one in own}
        if numbers != {*range(len(numbers))}:
            raise ValueError(f"generators must be numbered from 0 without gaps:{table}")

    def _check_splits(self) -> None:
        if self.splits is None or self.generators is None:
            return
        for simulator, manager in self._places():
            shares, own = self.splits[simulator][manager], self.generators[simulator][manager]
            size = self.lanes[simulator][manager]
            if len(shares) != len(own) or sum(shares) != size or min(shares) < 1:
                raise ValueError(
                    f"splits must cut the {size} lanes of manager {manager} of simulator "
                    f"{simulator} in {len(own)} parts of at least 1:{_text(self.splits)}"
                )


def _text(table: Sequence[Sequence[object]]) -> str:
    """Return a table with one simulator a line."""
    return "".join(
        f"\n  simulator {number}: {', '.join(map(str, row))}" for number, row in enumerate(table)
    )
