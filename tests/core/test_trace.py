from __future__ import annotations

import gzip
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from rlvla.core import chrome
from rlvla.core.errors import PreflightError
from rlvla.core.intervals import length, union, without
from rlvla.core.trace import Span, Tracer, ages

if TYPE_CHECKING:
    from pathlib import Path

SPANS = [
    Span("request", 0, 100.0, 100.25),
    Span("request", 1, 100.0, 100.25),
    Span("batch", 0, 100.0, 100.125),
    Span("infer", 0, 100.125, 100.25, {"size": 2}),
    Span("batch", 0, 100.0625, 100.375, {"size": 9}),
    Span("step", 0, 100.25, 100.5, {"worker": 3}),
    Span("step", 1, 100.25, 100.75, {"worker": 3}),
    Span("step", 8, 100.0, 101.0, {"worker": 4}),
    Span("step_batch", 4, 100.5, 101.0, {"size": 1}),
    Span("starve", 0, 100.0, 101.0),
    Span("accumulate", 0, 101.0, 101.5, {"age_0": 2, "age_1": 6}),
    Span("update", 0, 101.5, 102.0, {"decisions": 8}),
    Span("publish", 0, 102.0, 102.5, {"version": 1}),
    Span("evaluate", 0, 101.75, 103.0),
]


def _events(path: Path) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(path.read_text())["traceEvents"]
    return events


def test_a_tracer_forgets_the_oldest_spans_first() -> None:
    tracer = Tracer(limit=2)
    for number in range(5):
        tracer.span("infer", 0, number, number + 0.5, size=number)
    assert len(tracer) == 2
    assert tracer.spans() == [
        Span("infer", 0, 3, 3.5, {"size": 3}),
        Span("infer", 0, 4, 4.5, {"size": 4}),
    ]


def test_a_tracer_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="limit must be at least 1, got 0"):
        Tracer(limit=0)


def test_ages_are_counted_by_version() -> None:
    assert ages(5, (5, 4, 4, 2)) == {"age_0": 1, "age_1": 2, "age_3": 1}


def test_a_saved_trace_is_loaded_as_it_was_but_from_zero(tmp_path: Path) -> None:
    path = chrome.save(SPANS, tmp_path)
    assert path == chrome.find(tmp_path) == tmp_path / "trace.json"
    loaded = chrome.load(path)
    assert sorted(loaded, key=repr) == sorted(
        (one._replace(began=one.began - 100, ended=one.ended - 100) for one in SPANS), key=repr
    )
    assert [one.ended for one in loaded] == sorted(one.ended for one in loaded)


def test_a_large_trace_is_compressed_and_replaces_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chrome.save(SPANS, tmp_path)
    loaded = chrome.load(chrome.find(tmp_path))
    monkeypatch.setattr(chrome, "LARGE", 3)
    assert chrome.save(SPANS, tmp_path) == tmp_path / "trace.json.gz"
    assert [one.name for one in tmp_path.iterdir()] == ["trace.json.gz"]
    assert chrome.load(chrome.find(tmp_path)) == loaded


def test_every_event_belongs_to_a_named_process_and_thread(tmp_path: Path) -> None:
    events = _events(chrome.save(SPANS, tmp_path))
    processes = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    threads = {
        (processes[e["pid"]], e["args"]["name"]): (e["pid"], e["tid"])
        for e in events
        if e["name"] == "thread_name"
    }
    assert {e["name"] for e in events if (e["pid"], e["tid"]) == threads["lanes", "lane 1"]} == {
        "thread_name",
        "thread_sort_index",
        "request",
        "step",
    }
    named = {*threads.values()}
    assert all((e["pid"], e["tid"]) in named for e in events if e["ph"] != "M")
    assert ("simulators", "simulator 3") in threads
    assert ("trainer", "publication") in threads


def test_complete_events_of_a_thread_never_overlap(tmp_path: Path) -> None:
    events = _events(chrome.save(SPANS, tmp_path))
    complete = sorted(
        (e["pid"], e["tid"], e["ts"], e["ts"] + e["dur"]) for e in events if e["ph"] == "X"
    )
    for (*one, _, ended), (*other, began, _) in itertools.pairwise(complete):
        assert one != other or began >= ended
    (busy,) = [e for e in events if e["name"] == "busy"]
    assert (busy["ts"], busy["dur"]) == (250_000, 500_000)


def test_waits_for_a_batch_are_asynchronous_events_in_pairs(tmp_path: Path) -> None:
    events = [e for e in _events(chrome.save(SPANS, tmp_path)) if e["name"] == "batch"]
    assert [(e["ph"], e["id"], e["ts"]) for e in events] == [
        ("b", 0, 0),
        ("e", 0, 125_000),
        ("b", 1, 62_500),
        ("e", 1, 375_000),
    ]


def test_a_run_without_a_trace_is_told_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=r"holds no trace\.json: set `trace: true`"):
        chrome.find(tmp_path)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"traceEvents": [{"ph": "X"}]}', '{"traceEvents": [1]}', "[" * 100_000],
)
def test_another_file_is_no_trace(tmp_path: Path, content: str) -> None:
    path = tmp_path / "trace.json"
    path.write_text(content)
    with pytest.raises(PreflightError, match=r"trace\.json is not the trace of a run"):
        chrome.load(path)


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"{}")[:-4], b"\x1f\x8b\x08\x00" * 9],
    ids=["another format", "cut off", "damaged"],  # compressed bytes hold the time
)
def test_a_broken_compressed_file_is_no_trace(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trace.json.gz"
    path.write_bytes(content)
    with pytest.raises(PreflightError, match="is not the trace of a run"):
        chrome.load(path)


def test_a_union_counts_every_moment_once() -> None:
    assert union([(4, 5), (0, 2), (1, 3), (3, 3.5), (7, 7)]) == [(0, 3.5), (4, 5)]
    assert length(union([(4, 5), (0, 2), (1, 3)])) == 4


@pytest.mark.parametrize(
    ("other", "left"),
    [
        ([], [(0, 4), (6, 9)]),
        ([(0, 9)], []),
        ([(1, 2), (3, 7)], [(0, 1), (2, 3), (7, 9)]),
        ([(4, 6)], [(0, 4), (6, 9)]),
        ([(8, 12), (13, 14)], [(0, 4), (6, 8)]),
    ],
)
def test_what_others_cover_is_taken_away(
    other: list[tuple[float, float]], left: list[tuple[float, float]]
) -> None:
    assert without([(0, 4), (6, 9)], other) == left
