"""The lanes of a group as one request that is never split."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.types import Queue


class Groups:
    """The groups of the lanes that one generator serves."""

    def __init__(self, groups: Mapping[int, int]) -> None:
        self.of = groups
        """Group of each lane."""
        self.lanes: dict[int, set[int]] = {}
        """The lanes of each group, by rising number of the group."""
        for lane, group in sorted(groups.items(), key=lambda pair: pair[1]):
            self.lanes.setdefault(group, set()).add(lane)

    def complete(self, queue: Queue) -> dict[int, list[int]]:
        """Return the positions of the groups all of whose active lanes wait.

        The group that was complete first comes first.
        """
        waiting: dict[int, list[int]] = {}
        for position, lane in enumerate(queue.lanes):
            waiting.setdefault(self.of[lane], []).append(position)
        whole = [
            group for group, mine in waiting.items() if self._is_whole(group, len(mine), queue)
        ]
        return {group: waiting[group] for group in sorted(whole, key=lambda one: waiting[one][-1])}

    def _is_whole(self, group: int, waiting: int, queue: Queue) -> bool:
        lanes = self.lanes[group]
        return waiting == len(lanes) or waiting >= len(lanes & queue.active)
