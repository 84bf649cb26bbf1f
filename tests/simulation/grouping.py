"""What must be true of groups, whoever plays their episodes and whatever gets lost."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rlvla.core.runtime.virtual.memory import ViolationError
from rlvla.core.starts import noise_seed, start_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.runtime.virtual.memory import Row
    from rlvla.core.segment import Grouping, Segment
    from rlvla.core.settings import Manifest
    from rlvla.core.types import Start


class GroupWatch:
    """Sees the episodes of all cells as they begin and as the trainer reads them."""

    def __init__(self, manifest: Manifest, grouping: Grouping) -> None:
        self.begun: set[Start] = set()
        """Starts of all groups that were ever opened."""
        self._manifest = manifest
        self._size = grouping.size
        self._batch = manifest.phases[0].algorithm.batch_size
        self._consistent = manifest.exact_versions
        self._read: defaultdict[int, list[Segment]] = defaultdict(list)
        """Episodes of the present batch by group."""
        self._numbers: set[int] = set()
        """Of all episodes that were trained on."""

    def begin(self, start: Start) -> None:
        """Note the start of an episode."""
        if start.split == "train":
            self.begun.add(start)

    def train(self, segment: Segment, rows: Sequence[Row]) -> None:
        """Look at an episode that the trainer reads: whole, of its group, and never before."""
        start = start_of(
            self._manifest.simulator.tasks, "train", segment.group, seed=self._manifest.seed
        )
        strange = [row.start for row in rows if row.start != start]
        _check(not strange, f"{segment} holds decisions of {strange}")
        ends = [row.ends for row in rows]
        _check(ends == [False] * (len(rows) - 1) + [True], f"{segment} is no whole episode: {ends}")
        number = self._number(segment, rows)
        _check(number not in self._numbers, f"episode {number} is trained on twice")
        self._numbers.add(number)
        self._read[segment.group].append(segment)

    def update(self) -> None:
        """Look at a batch that is over: so many groups, each of them complete."""
        episodes = sum(map(len, self._read.values()))
        _check(episodes == self._batch, f"{episodes} episodes are a batch of {self._batch}")
        for group, members in self._read.items():
            count = len(members)
            _check(count == self._size, f"group {group} is trained on with {count} episodes")
            versions = {made for member in members for made in member.versions}
            mixed = len(versions) > 1 and self._consistent
            _check(not mixed, f"group {group} is made by versions {versions}")
        self._read.clear()

    def _number(self, segment: Segment, rows: Sequence[Row]) -> int:
        """Return which episode of its group has this noise, from its first decision on."""
        for number in range(segment.group * self._size, (segment.group + 1) * self._size):
            noise = [noise_seed(self._manifest.seed, number, one) for one in range(len(rows))]
            if noise == [row.seed for row in rows]:
                return number
        raise ViolationError(f"{segment} has noise that no episode of its group has")


def _check(condition: object, what: str) -> None:
    if not condition:
        raise ViolationError(what)
