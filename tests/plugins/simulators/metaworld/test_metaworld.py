from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from rlvla.core.component import OptionError, build, options_of
from rlvla.core.types import encode_instruction
from rlvla.plugins.simulators.metaworld import Metaworld
from rlvla.plugins.simulators.metaworld.tasks import HELD_OUT, INSTRUCTIONS, SUITES

if TYPE_CHECKING:
    from collections.abc import Callable


def test_each_of_fifty_tasks_is_told_in_words_of_its_own() -> None:
    assert len(INSTRUCTIONS) == len({*INSTRUCTIONS.values()}) == 50
    for words in INSTRUCTIONS.values():
        encode_instruction(words)


def test_suites_have_the_published_sizes_and_hold_out_other_tasks() -> None:
    sizes = {name: len(tasks) for name, tasks in SUITES.items()}
    assert sizes == {"mt10": 10, "mt50": 50, "ml10": 10, "ml45": 45}
    for suite, held_out in HELD_OUT.items():
        assert len(held_out) == 5
        assert not {*held_out} & {*SUITES[suite]}
    assert {*SUITES["ml45"], *HELD_OUT["ml45"]} == {*SUITES["mt50"]} == {*INSTRUCTIONS}


@pytest.mark.parametrize(
    ("task", "totals"),
    [
        ("reach-v3", {"metaworld_reach-v3@v1": 50}),
        ("mt10", {"metaworld_mt10@v1": 500}),
        ("mt50", {"metaworld_mt50@v1": 2500, "metaworld_mt50_trials@v1": 500}),
        ("ml10", {"metaworld_ml10@v1": 250}),
        ("ml45", {"metaworld_ml45@v1": 250}),
    ],
)
def test_protocols_count_their_episodes_exactly(task: str, totals: dict[str, int]) -> None:
    known = {one.name: one for one in Metaworld(task=task).protocols}
    assert {name: one.total for name, one in known.items()} == totals
    assert {one.max_steps for one in known.values()} == {500}
    measured = known[next(iter(totals))].tasks
    assert set(measured) == set(HELD_OUT.get(task, SUITES.get(task, (task,))))


def test_what_is_set_up_otherwise_is_measured_by_no_published_protocol() -> None:
    assert not Metaworld(task=["reach-v3", "push-v3"]).protocols
    assert not Metaworld(task="mt10", max_steps=100).protocols


def test_a_policy_is_told_what_it_was_taught() -> None:
    taught = Metaworld(task="reach-v3", instructions={"reach-v3": "Reach a goal position"})
    assert taught.instruction("reach-v3") == "Reach a goal position"
    assert taught.instruction("push-v3") == INSTRUCTIONS["push-v3"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lanes": 0}, "lanes must be at least 1, got 0"),
        ({"size": 4}, "size must be between 8 and 1024, got 4"),
        ({"max_steps": 501}, "max_steps must be from 1 to 500, got 501"),
        ({"spare": -1}, "spare must be at least 0, got -1"),
        ({"task": "reach"}, "no task 'reach'; did you mean 'reach-v3'?"),
        ({"task": "mt100"}, "no task 'mt100'; it has mt10, mt50, ml10, ml45, reach-v3"),
        ({"task": []}, "task must name at least one and each once"),
        ({"task": ["push-v3", "push-v3"]}, "task must name .* each once, got push-v3, push-v3"),
        ({"cameras": ["corner", "corner"]}, "cameras must name .* each once, got corner, corner"),
        ({"instructions": {"reach": "go"}}, "instructions: Meta-World has no task 'reach'"),
        ({"task": "ml10", "observation": "state"}, "goal must be hidden from the state"),
    ],
)
def test_wrong_options_are_explained(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build(Metaworld, options)


def test_options_survive_the_way_to_a_worker() -> None:
    adapter = Metaworld(task="ml10", goal="hidden", observation="state", reward="dense")
    assert build(Metaworld, options_of(adapter)) == adapter


def test_an_interpreter_without_the_package_is_told_what_to_install() -> None:
    code = "from rlvla.plugins.simulators.metaworld import Metaworld; Metaworld().start(1)"
    without = [sys.executable, "-c", f"import sys; sys.modules['metaworld'] = None; {code}"]
    done = subprocess.run(without, capture_output=True, text=True, check=False)
    assert "RuntimeError: metaworld" in done.stderr
    assert "`rlvla sim install metaworld`" in done.stderr


def test_the_adapter_is_the_package(run_package_tests: Callable[[str], None]) -> None:
    """What needs the package, in the interpreter that has it."""
    run_package_tests("metaworld")
