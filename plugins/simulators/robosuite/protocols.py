"""How success at robosuite's tasks is measured, by name."""

from __future__ import annotations

from rlvla.core.protocol import EvaluationProtocol
from rlvla.plugins.simulators.robosuite.tasks import MEASURED, TASKS

EPISODES = 50
"""Of a task, from starts that are drawn: there is no list of published ones."""


def protocol(task: str) -> EvaluationProtocol | None:
    """Return that of a task, if rates are published for it."""
    if task not in MEASURED:
        return None
    return EvaluationProtocol(
        name=f"robosuite_{task}@v1",
        tasks=(task,),
        episodes=EPISODES,
        max_steps=TASKS[task].limit,
        origin="robomimic (arXiv 2108.03298), whose rates are of older robosuites",
    )
