from __future__ import annotations

import json

import numpy as np
import pytest

from rlvla.core.progress import Progress
from rlvla.core.settings import Budget


@pytest.mark.parametrize(
    ("budget", "spent"),
    [
        (Budget(updates=10), 0.3),
        (Budget(decisions=48), 0.5),
        (Budget(minutes=2), 0.75),
        (Budget(updates=10, decisions=48, minutes=2), 0.75),
        (Budget(updates=2), 1.5),
    ],
)
def test_a_budget_is_spent_as_far_as_its_nearest_limit(budget: Budget, spent: float) -> None:
    np.testing.assert_allclose(Progress(updates=3, decisions=24, seconds=90).spent(budget), spent)


def test_progress_survives_json() -> None:
    progress = Progress(3, 24, 90.5, 1, 7, 40, {"produced": 30, "trained": 24, "in_flight": 6})
    assert Progress.from_json(json.loads(json.dumps(progress.to_json()))) == progress


def test_a_new_phase_starts_its_own_counters_and_no_others() -> None:
    progress = Progress(3, 24, 90.5, 0, 7, 40, {"produced": 30})
    progress.enter(1)
    assert progress == Progress(0, 0, 0.0, 1, 7, 40, {"produced": 30})
