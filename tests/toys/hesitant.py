"""The table of the quick-start, whose answers come late by chance."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.simulators.tabletop import Tabletop

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rlvla.core.types import Observation, Start, StepResult


@dataclass
class Hesitant(Tabletop):
    """`tabletop` with delays from no seed."""

    delay_s: float = 0.004
    """Mean of the random seconds that every call takes longer."""

    def reset(self, lane: int, start: Start) -> Observation:
        self._hesitate()
        return super().reset(lane, start)

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        self._hesitate()
        return super().step(lane, actions)

    def _hesitate(self) -> None:
        time.sleep(random.expovariate(1 / self.delay_s))
