"""The simulator that a world model is of, as its stand-in for evaluation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rlvla.core.interfaces import BatchSimulator, Simulator
    from rlvla.core.types import Observation, Start, StepResult

NOTHING = np.zeros(0, np.float32)


class Original:
    """Plays episodes in lanes of a simulator and keeps its privileged state to itself."""

    def __init__(self, simulator: Simulator, lanes: int) -> None:
        self._simulator = simulator
        simulator.start(lanes)

    def reset(self, lanes: Sequence[int], starts: Sequence[Start]) -> list[Observation]:
        """Begin an episode in each of these lanes."""
        simulator = self._simulator
        if simulator.spec.batched:
            shown = cast("BatchSimulator", simulator).reset_batch(lanes, starts)
        else:
            shown = [simulator.reset(*one) for one in zip(lanes, starts, strict=True)]
        return [_public(one) for one in shown]

    def step(self, lanes: Sequence[int], actions: NDArray[np.float32]) -> list[StepResult]:
        """Execute a chunk in each of these lanes, float32 [N, C, D]."""
        simulator = self._simulator
        if simulator.spec.batched:
            results = cast("BatchSimulator", simulator).step_batch(lanes, actions)
        else:
            results = [simulator.step(*one) for one in zip(lanes, actions, strict=True)]
        return [replace(one, observation=_public(one.observation)) for one in results]

    def close(self) -> None:
        """Close the simulator."""
        self._simulator.close()


def _public(observation: Observation) -> Observation:
    return replace(observation, privileged=NOTHING)
