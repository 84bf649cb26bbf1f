"""How success on ManiSkill's tasks is measured, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.protocol import EvaluationProtocol
from rlvla.plugins.simulators.maniskill.tasks import BRIDGE, MAIN, PLATE, TASKS, environment

if TYPE_CHECKING:
    from collections.abc import Sequence

TRIALS = 24
"""Published episodes of each of SIMPLER's scenes."""
EPISODES = 192
"""Of each setting that RL4VLA measures: 64 scenes under three seeds."""


def protocols(tasks: Sequence[str]) -> list[EvaluationProtocol]:
    """Return the protocols for training on `tasks`: for the plates, all that they are put to."""
    if MAIN in tasks:
        measured: Sequence[str] = [*PLATE]
    elif len(tasks) == 1:
        measured = tasks
    else:
        measured = []
    return [_measured(task) for task in measured if task in BRIDGE or task in PLATE]


def _measured(task: str) -> EvaluationProtocol:
    return EvaluationProtocol(
        name=f"maniskill_{_short(task)}@v1",
        tasks=(task,),
        episodes=TRIALS if task in BRIDGE else EPISODES,
        max_steps=TASKS[task].limit,
        origin="SIMPLER (arXiv 2405.05941)" if task in BRIDGE else "RL4VLA (arXiv 2505.19789)",
    )


def _short(task: str) -> str:
    """Return a name such as 25Carrot_train for PutOnPlateInScene25Carrot-v1:train."""
    name = environment(task).rpartition("-")[0].replace("PutOnPlateInScene", "")
    objects = task.partition(":")[2]
    return f"{name}_{objects}" if objects else name
