from __future__ import annotations

import json

import pytest
from numpy.testing import assert_allclose

from rlvla.core.success import Tally, TaskTally, wilson

EPISODES = [("reach", True, 10)] * 46 + [("reach", False, 60)] * 4


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (46, 50, 0.8116, 0.9685),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (81, 263, 0.2553, 0.3662),  # Newcombe, Statistics in Medicine 1998, table I
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(
    successes: int, trials: int, low: float, high: float
) -> None:
    assert_allclose(wilson(successes, trials), (low, high), atol=1e-4)


@pytest.mark.parametrize("trials", [1, 2, 7, 50, 1000])
def test_wilson_solves_its_defining_equation(trials: int) -> None:
    for successes in range(0, trials + 1, max(1, trials // 7)):
        rate = successes / trials
        for bound in wilson(successes, trials):
            distance = 1.96 * (bound * (1 - bound) / trials) ** 0.5
            assert_allclose(abs(rate - bound), distance, atol=1e-9)
            assert 0 <= bound <= 1


def test_wilson_refuses_what_is_no_count() -> None:
    with pytest.raises(ValueError, match="trials must be at least 1, got 0"):
        wilson(0, 0)
    with pytest.raises(ValueError, match="successes must be from 0 to 3, got 4"):
        wilson(4, 3)


def test_a_tally_says_its_result_in_words() -> None:
    tally = Tally.count(EPISODES, protocol="tabletop/reach@v1", version=7)
    assert tally.line() == "success 46/50 = 92 % (95 % interval 81 to 97)"
    assert_allclose(tally.mean_steps, (46 * 10 + 4 * 60) / 50)
    assert (tally.split, tally.version) == ("eval", 7)


def test_a_tally_counts_each_task_alone_and_all_together() -> None:
    tally = Tally.count(
        [("reach", True, 5), ("push", False, 9), ("reach", False, 7)],
        protocol="tabletop@v1",
        version=0,
    )
    assert tally.tasks == {"reach": TaskTally(1, 2, 12), "push": TaskTally(0, 1, 9)}
    assert (tally.successes, tally.episodes) == (1, 3)


def test_a_tally_survives_json() -> None:
    tally = Tally.count(EPISODES, protocol="tabletop/reach@v1", version=7, split="train")
    record = json.loads(json.dumps(tally.to_json()))
    assert Tally.from_json(record) == tally
    assert record["rate"] == 0.92
    assert_allclose(record["interval"], (0.8116, 0.9685), atol=1e-4)


@pytest.mark.parametrize("record", [{}, {"tasks": []}, {"tasks": {"reach": {"successes": 1}}}])
def test_a_record_of_something_else_is_refused(record: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not the record of an evaluation"):
        Tally.from_json(record)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="successes must be from 0 to 3, got 4"):
        TaskTally(4, 3, 10)
    with pytest.raises(ValueError, match="'tabletop@v1' needs at least one episode"):
        Tally.count([], protocol="tabletop@v1", version=0)
