"""Check of a simulator's starts: what is measured is never what was trained on."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from rlvla.core.testing.conformance import expect
from rlvla.core.testing.lane import Lane
from rlvla.core.testing.simulator import tasks_of
from rlvla.core.types import Start

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rlvla.core.interfaces import Simulator

SEEDS = (0, 1)
"""Of the runs whose training starts are compared."""


def check_starts(simulator: Simulator, *, starts: int = 8) -> None:
    """Check a simulator that is not started yet; it is started and closed.

    Of every task that is trained or measured, `starts` evaluation starts must all look different,
    and none like one of the `starts` training starts of either of two runs.
    """
    simulator.start(1)
    try:
        for task in tasks_of(simulator):
            _check_task(simulator, task, starts)
    finally:
        simulator.close()


def _check_task(simulator: Simulator, task: str, starts: int) -> None:
    measured = _looks(simulator, [Start(task, "eval", index) for index in range(starts)])
    expect(
        f"task {task!r}: its {starts} evaluation starts must differ, only {len(measured)} do",
        holds=len(measured) == starts,
    )
    indices = product(range(starts), SEEDS)
    trained = _looks(simulator, [Start(task, "train", index, seed) for index, seed in indices])
    common = [*measured & trained]
    expect(
        f"task {task!r}: no training start may look like an evaluation start, {len(common)} do",
        holds=not common,
    )


def _looks(simulator: Simulator, starts: Iterable[Start]) -> set[bytes]:
    """Return what the first observation of each start shows."""
    lane = Lane(simulator, 0)
    rows = [lane.reset(start) for start in starts]
    return {b"".join(one.tobytes() for one in row.values()) for row in rows}
