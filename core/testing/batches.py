"""Check of simulators that step many lanes in one call: what a lane shows is its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np

from rlvla.core.testing.conformance import expect
from rlvla.core.types import Start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.interfaces import BatchSimulator
    from rlvla.core.testing.lane import Lane
    from rlvla.core.types import Array, Arrays, Observation, StepResult

TURNS = ((0,), (1,), (1, 0), (0,), (0, 1))
"""Which of two lanes are stepped in one call, again and again."""
CHUNKS = 5
"""Of an episode, about; the last has room for more than the time limit leaves."""
TOLERANCE = 1e-3
"""Of numbers: what a device computes for many lanes at once may differ in the last bits."""
SHADES = 1.0
"""By so many of 256 may the pixels of an image differ for the same reason, on average."""


def check_batches(lanes: Sequence[Lane], task: str) -> None:
    """Check a batched simulator by two of its lanes.

    Their episodes are begun and stepped in calls that name one of them or both, in any order;
    each must show and pay what it does alone.
    """
    spec, simulator = lanes[0].simulator.spec, cast("BatchSimulator", lanes[0].simulator)
    shape = (len(lanes), CHUNKS, spec.max_steps // CHUNKS + 1, spec.action_dim)
    random = np.random.default_rng(0)
    actions = random.uniform(spec.action_low, spec.action_high, shape).astype(np.float32)
    starts = [Start(task, "train", index, seed=1) for index in range(len(lanes))]
    drawn = [*zip(lanes, starts, actions, strict=True)]
    alone, together = ([_Episode(*one) for one in drawn] for _ in range(2))
    for one in alone:
        one.play()
    _play_together(simulator, together)
    expect(
        f"task {task!r}: lanes that are named in one call must show and pay what each does alone, "
        "and those that are not must stay as they are",
        holds=all(one.is_like(other) for one, other in zip(alone, together, strict=True)),
    )


@dataclass
class _Episode:
    """What a lane plays."""

    lane: Lane
    start: Start
    chunks: Array
    """Float32 [CHUNKS, C, D]."""
    shown: list[Arrays] = field(default_factory=list["Arrays"])
    """What was shown and paid."""
    is_over: bool = False

    @property
    def chunk(self) -> Array:
        """The next actions."""
        actions: Array = self.chunks[len(self.shown) - 1]
        return actions

    def play(self) -> None:
        """Play it in calls for its lane alone."""
        simulator, number = self.lane.simulator, self.lane.number
        self.begun(simulator.reset(number, self.start))
        while not self.is_over:
            self.moved(simulator.step(number, self.chunk))

    def begun(self, observation: Observation) -> None:
        """Take what a reset gave."""
        self.shown, self.is_over = [self.lane.begun(observation)], False

    def moved(self, result: StepResult) -> None:
        """Take what a step gave."""
        row, _ = self.lane.moved(result, len(self.chunk))
        self.shown.append(row | {"reward": result.reward})
        self.is_over = bool((result.terminated | result.truncated).any())

    def is_like(self, other: _Episode) -> bool:
        """Return whether both showed and paid the same."""
        pairs = zip(self.shown, other.shown, strict=False)
        return len(self.shown) == len(other.shown) and all(
            _is_like(row[name], same[name]) for row, same in pairs for name in row
        )


def _play_together(simulator: BatchSimulator, episodes: Sequence[_Episode]) -> None:
    first, second = episodes
    _begin(simulator, [second, first])
    _step(simulator, [first, second])
    _begin(simulator, [first])
    turn = 0
    while not (first.is_over and second.is_over):
        _step(simulator, [episodes[at] for at in TURNS[turn % len(TURNS)]])
        turn += 1


def _begin(simulator: BatchSimulator, episodes: Sequence[_Episode]) -> None:
    lanes, starts = [one.lane.number for one in episodes], [one.start for one in episodes]
    for one, shown in zip(episodes, simulator.reset_batch(lanes, starts), strict=True):
        one.begun(shown)


def _step(simulator: BatchSimulator, episodes: Sequence[_Episode]) -> None:
    """Step those that are not over."""
    named = [one for one in episodes if not one.is_over]
    if named:
        chunks = np.stack([one.chunk for one in named])
        results = simulator.step_batch([one.lane.number for one in named], chunks)
        for one, result in zip(named, results, strict=True):
            one.moved(result)


def _is_like(one: Array, other: Array) -> bool:
    if one.ndim == 3:
        return float(np.abs(one.astype(float) - other).mean()) <= SHADES
    return np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE)
