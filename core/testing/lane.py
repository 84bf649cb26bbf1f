"""One lane of a simulator under test, every answer of which is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.testing.conformance import check_row, expect
from rlvla.core.types import encode_instruction, observation_fields, result_fields

if TYPE_CHECKING:
    from rlvla.core.interfaces import Simulator
    from rlvla.core.types import Array, Observation, Start, StepResult


@dataclass(frozen=True)
class Lane:
    """One lane, every answer of which is checked."""

    simulator: Simulator
    number: int

    def reset(self, start: Start) -> dict[str, Array]:
        """Begin an episode; return what is shown as a row."""
        return self.begun(self.simulator.reset(self.number, start))

    def begun(self, shown: Observation) -> dict[str, Array]:
        """Return what a reset showed as a row."""
        return self._row("the observation after reset", shown)

    def step(self, actions: Array) -> tuple[dict[str, Array], StepResult]:
        """Execute a chunk; return what is shown as a row, and the rest."""
        return self.moved(self.simulator.step(self.number, actions), len(actions))

    def moved(self, result: StepResult, chunk: int) -> tuple[dict[str, Array], StepResult]:
        """Return what a step of `chunk` actions showed as a row, and the rest."""
        fields = result_fields(chunk)
        check_row("the result of step", {name: getattr(result, name) for name in fields}, fields)
        _check_flags(result)
        return self._row("the observation after step", result.observation), result

    def _row(self, what: str, shown: Observation) -> dict[str, Array]:
        row: dict[str, Array] = {f"image/{name}": one for name, one in shown.images.items()}
        row |= {
            "proprio": shown.proprio,
            "privileged": shown.privileged,
            "instruction": encode_instruction(shown.instruction),
        }
        check_row(what, row, observation_fields(self.simulator.spec))
        return {name: np.array(one) for name, one in row.items()}


def _check_flags(result: StepResult) -> None:
    executed = int(result.valid.sum())
    over = result.terminated | result.truncated
    expect(
        "valid must be true for the first actions of a chunk, at least one, and false after them",
        holds=executed >= 1 and result.valid[:executed].all(),
    )
    expect(
        "an action must be terminated or truncated only if it is the last that was executed",
        holds=not over[: executed - 1].any() and not over[executed:].any(),
    )
    expect(
        "a chunk must be executed whole unless the episode ends in it",
        holds=executed == len(result.valid) or over[executed - 1],
    )
    expect("actions that were not executed must pay 0", holds=not result.reward[executed:].any())
