from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from rlvla.commands.trace import binned
from rlvla.core import chrome
from rlvla.core.trace import Span

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Call = Callable[..., tuple[object, str, str]]


@pytest.fixture(autouse=True)
def _run(tmp_path: Path) -> None:
    """Make the folder `run`."""
    (tmp_path / "run").mkdir()


@pytest.fixture(name="traced")
def _traced(call: Call, tmp_path: Path) -> Call:
    """The same, with a trace in which the generator is busy three quarters of the time."""
    spans: list[Span] = []
    for zero in range(0, 40, 4):
        spans += [
            Span("admit", 0, zero, zero),
            Span("request", 0, zero, zero + 3),
            Span("batch", 0, zero, zero),
            Span("infer", 0, zero, zero + 3, {"size": 4}),
            Span("step", 0, zero + 3, zero + 4, {"worker": 0}),
            Span("starve", 0, zero, zero + 3),
            Span("accumulate", 0, zero + 3, zero + 4, {"age_1": 8}),
            Span("update", 0, zero + 4, zero + 4, {"decisions": 8}),
        ]
    chrome.save(spans, tmp_path / "run")
    return call


def test_a_trace_is_told_as_a_table_and_a_verdict(traced: Call) -> None:
    code, out, err = traced("trace", "run")
    assert (code, err) == (0, "")
    rows = [[part.strip() for part in line.split("│")[1:-1]] for line in out.splitlines()]
    assert ["generators", "1", "75%", "75%", "requests 25%"] in rows
    assert ["lanes", "1", "25%", "25%", "decisions 75%"] in rows
    assert ["4", "9", "100%", "█" * 30] in rows
    assert "Measured over 36 s, in which 72 decisions were used.\n" in out
    assert "Nothing is saturated: even the generator is busy only 75 %.\n" in out
    assert "\nOpen run/trace.json in https://ui.perfetto.dev" in out


def test_a_trace_is_told_as_json(traced: Call) -> None:
    code, out, _ = traced("trace", "run", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["file"] == "run/trace.json"
    assert told["critical"] == "generators"
    assert told["decisions_per_s"] == pytest.approx(2)
    assert told["bound_per_s"] == pytest.approx(8 / 3)
    assert told["groups"]["trainer"]["waits"] == pytest.approx({"segments": 0.75})
    assert told["batch_sizes"] == {"4": 9}
    assert told["staleness"] == {"1": 72}


def test_a_run_without_a_trace_is_one_line_that_says_what_to_set(call: Call) -> None:
    assert call("trace", "run") == (
        4,
        "",
        "rlvla: error[4]: run holds no trace.json: set `trace: true` in the manifest "
        "(or pass `-s trace=true`) and run it again\n",
    )


def test_a_trace_of_nothing_is_refused(call: Call, tmp_path: Path) -> None:
    chrome.save([], tmp_path / "run")
    code, out, err = call("trace", "run")
    assert (code, out) == (4, "")
    assert err.startswith("rlvla: error[4]: run/trace.json: its spans show nobody at work")


def test_a_folder_that_is_not_there_is_wrong_usage(call: Call) -> None:
    assert call("trace", "nowhere")[0] == 2


def test_histograms_of_many_values_are_put_together() -> None:
    assert binned({2: 5, 4: 1}) == [("2", 5), ("3", 0), ("4", 1)]
    rows = binned(dict.fromkeys(range(1, 65), 1))
    assert rows[0] == ("1-7", 7)
    assert rows[-1] == ("64", 1)
    assert sum(count for _, count in rows) == 64
