"""How success on Meta-World is measured, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.protocol import EvaluationProtocol
from rlvla.plugins.simulators.metaworld.tasks import HELD_OUT, INSTRUCTIONS, LIMIT, SUITES

if TYPE_CHECKING:
    from collections.abc import Sequence

GOALS = 50
"""Episodes per task in the evaluation that comes with the package, each towards its own goal."""
TRIALS = 10
"""Episodes per task in the tables of SmolVLA (arXiv 2506.01844) and of those who follow it."""


def protocols(tasks: Sequence[str], suite: str | None) -> list[EvaluationProtocol]:
    """Return the protocols for training on `tasks`, which are the suite's if one is named."""
    if suite is not None:
        return _of_suite(suite)
    if len(tasks) == 1:
        return [_measured(f"metaworld_{tasks[0]}@v1", tasks, GOALS, "MT1")]
    return []


def _of_suite(suite: str) -> list[EvaluationProtocol]:
    tasks = HELD_OUT.get(suite, SUITES[suite])
    origin = "Meta-World+ (arXiv 2505.11289)"
    if suite in HELD_OUT:
        origin += ", without adaptation to a task"
    known = [_measured(f"metaworld_{suite}@v1", tasks, GOALS, origin)]
    if set(tasks) == set(INSTRUCTIONS):
        origin = "SmolVLA (arXiv 2506.01844)"
        known.append(_measured(f"metaworld_{suite}_trials@v1", tasks, TRIALS, origin))
    return known


def _measured(name: str, tasks: Sequence[str], episodes: int, origin: str) -> EvaluationProtocol:
    return EvaluationProtocol(
        name=name, tasks=tuple(tasks), episodes=episodes, max_steps=LIMIT, origin=origin
    )
