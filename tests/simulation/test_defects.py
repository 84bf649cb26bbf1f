"""The invariants are worth something only if what is wrong violates them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from simulation.defects_of_batches import BATCHES
from simulation.defects_of_flow import FLOW
from simulation.defects_of_groups import GROUPS
from simulation.defects_of_lanes import LANES
from simulation.defects_of_standstills import STANDSTILLS
from simulation.defects_of_workers import WORKERS
from simulation.trial import Defect, caught

if TYPE_CHECKING:
    from collections.abc import Iterator

PLANTED = {**FLOW, **GROUPS, **LANES, **BATCHES, **STANDSTILLS, **WORKERS}
DEFECTS = [Defect(name, planted) for name, planted in PLANTED.items()]
SEEDS = 500
"""More than twice as many as the hardest one to catch took when this was written, 204."""


@pytest.fixture
def quiet() -> Iterator[None]:
    """Do not log the tasks that a deadlock leaves behind."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.filterwarnings("ignore")  # of coroutines that a deadlock leaves behind
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("defect", DEFECTS, ids=[defect.name for defect in DEFECTS])
def test_a_planted_defect_is_caught(defect: Defect) -> None:
    found = caught(defect, range(SEEDS))
    assert found is not None, f"{SEEDS} seeds do not show that the pipeline {defect.name}"
