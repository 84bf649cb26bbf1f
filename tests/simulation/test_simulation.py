from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from simulation.defects_of_flow import AdmitsOneTooMany
from simulation.scenario import Scenario
from simulation.trial import Defect, told, trial

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_no_invariant_is_violated_whatever_goes_wrong(seeds: Sequence[int]) -> None:
    failures = [told(seed, violation) for seed in seeds if (violation := trial(seed))]
    assert not failures, "\n".join(failures)


def test_a_failure_repeats_itself_and_tells_how_to_see_it_again() -> None:
    defect = Defect("admits one too many", {"schedule:Admission": AdmitsOneTooMany})
    first, again = trial(7, defect), trial(7, defect)
    assert first == again
    assert first
    assert re.search(r"--seed 7$", told(7, first))


@pytest.mark.parametrize(
    "what", ["asynchrony", "batching", "sharding", "simulator", "placement", "evaluating"]
)
def test_seeds_differ_in_everything_that_may_vary(what: str) -> None:
    drawn = {repr(getattr(Scenario.of(seed).manifest, what)) for seed in range(100)}
    assert len(drawn) > 1
