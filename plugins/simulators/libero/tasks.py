"""The suites and the names of their tasks, which also say what is to be done."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

from rlvla.core.protocol import EvaluationProtocol

Suite: TypeAlias = Literal[
    "libero_spatial", "libero_object", "libero_goal", "libero_10", "libero_90"
]

LIMITS: dict[Suite, int] = {
    "libero_spatial": 220,
    "libero_object": 280,
    "libero_goal": 300,
    "libero_10": 520,
    "libero_90": 400,
}
"""Actions of an episode, after those in which things settle: OpenVLA, arXiv 2406.09246."""

STATES = 50
"""Published initial states of each task."""
SETTLE = 10
"""Actions at rest before an episode, in which what is placed in the air falls."""


@cache
def tasks_of(suite: Suite) -> tuple[str, ...]:
    """Return the tasks of a suite in their published order: Liu et al. 2023, arXiv 2306.03310."""
    lines = Path(__file__).with_name("tasks.txt").read_text().splitlines()
    named = [line.split() for line in lines]
    return tuple(task for owner, task in named if owner == suite)


def instruction(task: str) -> str:
    """Return what is said of a task: its name in words, without that of its scene."""
    return re.sub(r"^[A-Z_]+_SCENE\d+_", "", task).replace("_", " ")


def protocol(suite: Suite) -> EvaluationProtocol:
    """Return how success on a suite is measured: every published state of every task, once."""
    return EvaluationProtocol(
        name=f"{suite}@v1",
        tasks=tasks_of(suite),
        episodes=STATES,
        max_steps=LIMITS[suite],
        origin="OpenVLA (arXiv 2406.09246)",
    )
