from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from rlvla.core.trace import Span
from rlvla.core.usage import Usage
from rlvla.core.verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A run whose every second is the same: two lanes are admitted, wait, are served, and step.

    The trainer starves first and trains at the end of each second. All are seconds.
    """

    admit: float = 0.0
    queue: float = 0.0
    infer: float = 0.5
    step: float = 0.5
    train: float = 0.5

    def spans(self, updates: int = 10) -> list[Span]:
        return [
            span for zero in range(updates) for span in (*self._rollout(zero), *self._train(zero))
        ]

    def _rollout(self, zero: float) -> Iterator[Span]:
        asked = zero + self.admit
        served = asked + self.queue
        decided = served + self.infer
        for lane in range(2):
            yield Span("admit", lane, zero, asked)
            yield Span("request", lane, asked, decided)
            yield Span("step", lane, decided, decided + self.step, {"worker": lane})
        yield Span("batch", 0, asked, served)
        yield Span("infer", 0, served, decided, {"size": 2})

    def _train(self, zero: float) -> Iterator[Span]:
        end = zero + 1
        yield Span("starve", 0, zero, end - self.train)
        yield Span("accumulate", 0, end - self.train, end, {"age_0": 1, "age_1": 7})
        yield Span("update", 0, end, end, {"decisions": 8})


def shares(verdict: Verdict) -> dict[str, dict[str, float]]:
    """Busy share and waits of each group, rounded."""
    return {
        name: {
            "busy": round(group.busy, 9),
            **{wait: round(share, 9) for wait, share in group.waits.items() if share > 1e-9},
        }
        for name, group in verdict.usage.groups.items()
    }


def test_shares_are_those_of_the_schedule() -> None:
    verdict = judge(Schedule(admit=0.1, queue=0.2, infer=0.3, step=0.25, train=0.2).spans())
    assert shares(verdict) == {
        "simulators": {"busy": 0.25, "decisions": 0.5, "admission": 0.1},
        "generators": {"busy": 0.3, "the batch": 0.2, "requests": 0.5},
        "trainer": {"busy": 0.2, "segments": 0.8},
        "lanes": {"busy": 0.25, "decisions": 0.5, "admission": 0.1},
    }
    assert verdict.usage.groups["simulators"].rest == pytest.approx(0.15)


def test_the_bound_is_the_throughput_of_the_critical_group_without_its_waits() -> None:
    verdict = judge(Schedule(infer=0.8, step=0.2, train=0.4).spans())
    assert verdict.critical.name == "generators"
    assert verdict.throughput == pytest.approx(8)
    assert verdict.bound == pytest.approx(10)  # 8 decisions need 0.8 s of the generator
    assert verdict.to_json()["reached"] == pytest.approx(0.8)


def test_lanes_of_one_worker_are_one_resource() -> None:
    """Both lanes wait for the worker; it is busy from the first step to the last, once."""
    spans = [
        Span(kind, lane, began, ended, {"worker": 0} if kind == "step" else {})
        for kind, lane, began, ended in [
            ("admit", 0, 0, 0),
            ("admit", 1, 0, 0),
            ("step", 0, 0, 2),
            ("step", 1, 0, 4),
            ("request", 0, 2, 10),
            ("request", 1, 4, 10),
        ]
    ]
    groups = Usage(spans).groups
    assert (groups["simulators"].size, groups["lanes"].size) == (1, 2)
    assert groups["simulators"].busy == pytest.approx(0.4)
    assert groups["simulators"].waits["decisions"] == pytest.approx(0.6)
    assert groups["lanes"].busy == pytest.approx(0.3)


def test_requests_that_wait_while_the_generator_works_do_not_make_it_wait() -> None:
    spans = [
        Span("infer", 0, 0, 6, {"size": 1}),
        Span("batch", 0, 2, 7),
        Span("infer", 0, 7, 8, {"size": 1}),
        Span("starve", 0, 0, 10),
    ]
    generators = Usage(spans).groups["generators"]
    assert generators.busy == pytest.approx(0.7)
    assert generators.waits == pytest.approx({"the batch": 0.1, "requests": 0.2})


def test_lanes_that_only_evaluate_do_not_count() -> None:
    spans = [
        *Schedule().spans(),
        Span("step", 7, 3, 3.5, {"worker": 5}),
        Span("request", 7, 3.5, 4),
    ]
    groups = judge(spans).usage.groups
    assert groups["lanes"].size == groups["simulators"].size == 2


def test_only_whole_updates_after_the_first_are_measured() -> None:
    slow_start = [Span("starve", 0, -50, 0), Span("update", 0, 0, 0, {"decisions": 8})]
    evaluation = [Span("infer", 0, 10, 60, {"size": 3}), Span("step", 0, 60, 70, {"worker": 0})]
    usage = judge([*slow_start, *Schedule().spans(), *evaluation]).usage
    assert usage.window == (0, 10)
    assert usage.decisions == 80
    assert usage.batch_sizes == {2: 10}
    assert usage.staleness == {0: 10, 1: 70}


def test_few_updates_are_measured_whole() -> None:
    usage = judge(Schedule().spans(3)).usage
    assert usage.window == (0, 3)
    assert usage.decisions == 24


def test_without_updates_the_decisions_that_were_made_count() -> None:
    spans = [Span("infer", 0, 0, 1, {"size": 5}), Span("infer", 0, 3, 4, {"size": 7})]
    verdict = judge(spans)
    assert verdict.throughput == pytest.approx(12 / 4)
    assert verdict.bound == pytest.approx(12 / 2)


def test_a_saturated_generator_is_named_with_what_it_would_take() -> None:
    verdict = judge(Schedule(infer=0.96, step=0.04, train=0.48).spans())
    first, second, advice, following = verdict.lines
    assert first == "The bottleneck: the generator is busy 96 % of the time."
    assert second.startswith("8 decisions/s are 96 % of the 8.333 that")
    assert "Lanes wait 96 % of the time for decisions, made in batches of 2" in advice
    assert advice.endswith("use more generators (schedulers.sharding) or a larger max_batch.")
    assert "the trainer is the next, at 16.67 decisions/s (2 times the present bound)" in following


@pytest.mark.parametrize(
    ("base", "slope", "share", "words"),
    [(0.06, 0.01, 0.75, "let batches become larger"), (0.01, 0.02, 0.2, "larger ones gain little")],
)
def test_larger_batches_are_advised_only_where_they_help(
    base: float, slope: float, share: float, words: str
) -> None:
    spans: list[Span] = []
    time = 0.0
    for size in [1, 3] * 20:  # 2 on average
        ended = time + base + slope * size
        spans.append(Span("infer", 0, time, ended, {"size": size}))
        time = ended
    verdict = judge(spans)
    assert verdict.usage.fixed_share == pytest.approx(share)
    assert words in verdict.lines[2]


def test_saturated_simulators_and_trainers_are_told_their_own_settings() -> None:
    simulators = judge(Schedule(infer=0.05, step=0.95, train=0.3).spans()).lines
    assert simulators[0].startswith("The bottleneck: the 2 simulators are busy 95 %")
    assert "placement.simulator" in simulators[2]
    trainer = judge(Schedule(admit=0.6, infer=0.2, step=0.2, train=0.97).spans()).lines
    assert trainer[0].startswith("The bottleneck: the trainer is busy 97 %")
    assert trainer[2].startswith("Lanes wait 60 % of the time for admission")


def test_publication_can_be_the_bottleneck() -> None:
    publications = [Span("publish", 0, zero, zero + 0.95) for zero in range(10)]
    verdict = judge([*Schedule(admit=0.3, infer=0.3, step=0.3, train=0.5).spans(), *publications])
    assert verdict.critical.name == "publication"
    assert "a larger algorithm.batch_size" in verdict.lines[2]


def test_a_synchronous_run_is_told_to_allow_staleness() -> None:
    verdict = judge(Schedule(admit=0.4, infer=0.3, step=0.3, train=0.4).spans())
    assert verdict.lines[0] == "Nothing is saturated: even the trainer is busy only 40 %."
    assert verdict.lines[2:] == [
        "Rollout and training take turns: the trainer waits 60 % of the time for segments, "
        "the lanes 40 % for admission: raise async.max_staleness."
    ]


def test_a_batching_rule_that_waits_too_long_is_named() -> None:
    verdict = judge(Schedule(queue=0.5, infer=0.25, step=0.25, train=0.5).spans())
    assert verdict.lines[2].startswith("Generators stand still 50 % of the time")


def test_too_few_lanes_are_what_is_left() -> None:
    verdict = judge(Schedule().spans())
    assert verdict.lines[2].endswith("raise simulator.lanes.")


def test_a_trainer_that_saves_is_named() -> None:
    spans = [one for one in Schedule().spans() if one.kind != "starve"]
    assert "50 % of the time: it saves or logs" in judge(spans).lines[2]


def test_lanes_that_are_shared_out_unevenly_are_named() -> None:
    spans = Schedule().spans()
    spans += [Span("infer", 1, zero, zero + 1, {"size": 2}) for zero in range(10)]
    verdict = judge(spans)
    assert verdict.critical.name == "generators"
    assert verdict.lines[2].startswith(
        "One of the 2 generators is busy 100 %, all together 75 %: share the lanes out more evenly"
    )


@pytest.mark.parametrize("spans", [[], [Span("starve", 0, 0, 1)]])
def test_there_is_no_verdict_on_nothing(spans: list[Span]) -> None:
    with pytest.raises(ValueError, match="spans show nobody at work"):
        judge(spans)


def test_a_batched_simulator_works_only_in_batches() -> None:
    """Lane 4 asks at 1, lane 5 at 3, both are stepped until 6; the worker's number is a lane's."""
    spans = [
        Span("admit", 4, 0, 0),
        Span("admit", 5, 0, 0),
        Span("request", 4, 0, 1),
        Span("request", 5, 0, 2),
        Span("step", 4, 1, 6, {"worker": 5}),
        Span("step", 5, 3, 6, {"worker": 5}),
        Span("step_batch", 5, 3, 6, {"size": 2}),
    ]
    simulators = Usage(spans).groups["simulators"]
    assert (simulators.size, simulators.busy) == (1, 0.5)
    assert simulators.waits == pytest.approx(
        {"decisions": 2 / 6, "admission": 0, "other lanes": 1 / 6}
    )
