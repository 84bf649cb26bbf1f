"""What the trainer reads of segments: their rows, with what the algorithm makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from rlvla.core.slots import PARTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.interfaces import Algorithm, Policy
    from rlvla.core.segment import Segment
    from rlvla.core.slots import Slots
    from rlvla.core.types import Array, Arrays


class Reader:
    """Reads decisions out of their slots, and numbers the segments that it has read."""

    def __init__(self, policy: Policy, algorithm: Algorithm, slots: Slots) -> None:
        self._policy = policy
        self._algorithm = algorithm
        self._slots = slots
        self._segments = 0

    def rows(self, segments: Sequence[Segment]) -> dict[str, Array]:
        """Return all parts of the decisions, whatever they are worth."""
        return self._slots.read(slots_of(segments), *PARTS)

    def decided(self, segments: Sequence[Segment]) -> dict[str, Array]:
        """Return what is there when a decision was made, before anything came of it."""
        rows = self._slots.read(slots_of(segments), "observation", "decision")
        rows["version"] = _versions(segments)
        return rows

    def targeted(self, segments: Sequence[Segment]) -> dict[str, Array]:
        """Return the rows of segments with their targets."""
        rows = self.rows(segments)
        bootstrap = self._bootstrap([slot for segment in segments for slot in segment.bootstrap])
        rows["version"] = _versions(segments)
        lengths = [len(one) for one in segments]
        rows["segment"] = self._numbered(lengths)
        rows["group"] = np.repeat(np.array([one.group for one in segments], np.int64), lengths)
        targets: list[Arrays] = []
        first = 0
        for segment in segments:
            part = slice(first, first + len(segment))
            own = {name: one[part] for name, one in rows.items()}
            targets.append(self._algorithm.targets(own, bootstrap[part]))
            first += len(segment)
        return rows | {name: np.concatenate([one[name] for one in targets]) for name in targets[0]}

    def _numbered(self, lengths: Sequence[int]) -> Array:
        """Return for each decision of these segments the number of its segment, int64 [N]."""
        first, self._segments = self._segments, self._segments + len(lengths)
        return np.repeat(np.arange(first, self._segments), lengths)

    def _bootstrap(self, slots: Sequence[int]) -> Array:
        """Return the value of the observation in each slot, float32 [N, V]; 0 where slot < 0."""
        value = self._slots.layout.parts["decision"].get("value")
        width = 0 if value is None else value.shape[0]
        values = np.zeros((len(slots), width), np.float32)
        wanted = [index for index, slot in enumerate(slots) if slot >= 0]
        if wanted and width:
            observations = self._slots.read([slots[index] for index in wanted], "observation")
            with torch.no_grad():
                values[wanted] = self._policy.value(observations).float().cpu().numpy()
        return values


def slots_of(segments: Sequence[Segment]) -> list[int]:
    """Return where the decisions of segments are, in their order."""
    return [slot for segment in segments for slot in segment.slots]


def _versions(segments: Sequence[Segment]) -> Array:
    return np.array([made for one in segments for made in one.versions], np.int64)
