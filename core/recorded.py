"""An episode that somebody recorded, and the decisions that it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.types import encode_instruction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from rlvla.core.interfaces import Algorithm
    from rlvla.core.slots import Layout
    from rlvla.core.types import Array, Field, SimulatorSpec


@dataclass(frozen=True, kw_only=True)
class RecordedEpisode:
    """What was shown before each of T actions, and the actions."""

    instruction: str
    images: Mapping[str, NDArray[np.uint8]]
    """Camera name to uint8 [T, height, width, 3]."""
    proprio: NDArray[np.float32]
    """Float32 [T, proprio]."""
    actions: NDArray[np.float32]
    """Float32 [T, D]."""

    def rows(self, layout: Layout) -> dict[str, Array]:
        """Return one decision after the other as rows of a trainer, like those of an expert.

        What the end keeps from being done repeats the last action. What only a simulator knows,
        rewards and its privileged state, is NaN, so that nothing is learned from it unnoticed.
        """
        chunk, length = layout.parts["decision"]["action"].shape[0], len(self.actions)
        first = np.arange(0, length, chunk)
        at = first[:, None] + np.arange(chunk)
        known: dict[str, Array] = {f"image/{name}": one[first] for name, one in self.images.items()}
        known["proprio"] = self.proprio[first]
        known["instruction"] = np.tile(encode_instruction(self.instruction), (len(first), 1))
        known["action"] = self.actions[at.clip(max=length - 1)]
        known["terminated"], known["valid"] = at == length - 1, at < length
        known["reward"] = known["privileged"] = np.array(np.nan)
        return {
            name: _filled(field, len(first), known.get(name, 0))
            for part in layout.parts.values()
            for name, field in part.items()
        }


def recorded(algorithm: Algorithm, spec: SimulatorSpec) -> Iterator[RecordedEpisode]:
    """Return the recorded episodes that an algorithm learns from, if it learns from any."""
    if algorithm.recording is None:
        return iter(())
    beside = algorithm.cotraining
    most = algorithm.demonstrations if beside is None else beside.demonstrations
    return islice(algorithm.recording.episodes(spec), most)


def _filled(field: Field, rows: int, value: Array | float) -> Array:
    whole = np.empty((rows, *field.shape), field.dtype)
    whole[...] = value
    return whole
