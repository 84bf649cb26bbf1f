"""A trace as a file of Chrome's trace event format, which chrome://tracing and Perfetto open.

A process of the format is a group of the run, a thread one of its members. Viewers show events
that overlap on a thread only if they nest, so requests that wait for a batch, which overlap the
batch before, are asynchronous events, and a simulator worker, whose lanes queue for it, is shown
by what its lanes cover together, unless it steps them all at once.

The format: "Trace Event Format", https://chromium.googlesource.com/catapult.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections import defaultdict
from itertools import chain, count
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from rlvla.core.errors import PreflightError
from rlvla.core.intervals import union
from rlvla.core.trace import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from rlvla.core.intervals import Interval

    Event: TypeAlias = dict[str, Any]

PLAIN, PACKED = "trace.json", "trace.json.gz"
LARGE = 100_000
"""Spans above which the file is compressed: it would be larger than some 15 MB."""

LANES, SIMULATORS, GENERATORS, TRAINER = range(1, 5)
GROUPS = {
    LANES: "lanes",
    SIMULATORS: "simulators",
    GENERATORS: "generators",
    TRAINER: "trainer",
}
MEMBERS = {LANES: "lane", SIMULATORS: "simulator", GENERATORS: "generator"}
STAGES = ("learner", "publication", "evaluation")
"""The threads of the trainer."""

GROUP_OF = {
    **dict.fromkeys(("admit", "request", "step", "reset"), LANES),
    **dict.fromkeys(("batch", "infer"), GENERATORS),
    "step_batch": SIMULATORS,
}
STAGE_OF = {"publish": 1, "evaluate": 2}
BUSY = "busy"
"""Events for people only: not spans, but made from them."""
MICROSECONDS = 1e6
BROKEN = (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, RecursionError)
"""What reading something else than a whole trace raises."""


def save(spans: Sequence[Span], run_dir: Path) -> Path:
    """Write the trace into the folder of the run, in place of an earlier one; return the file."""
    path, other = run_dir / PLAIN, run_dir / PACKED
    if len(spans) > LARGE:
        path, other = other, path
    events = ",\n".join(map(json.dumps, _events(spans)))
    content = f'{{"displayTimeUnit": "ms", "traceEvents": [\n{events}\n]}}\n'.encode()
    whole = path.with_name(f".{path.name}.tmp")
    whole.write_bytes(gzip.compress(content, 5) if path.name == PACKED else content)
    whole.replace(path)
    other.unlink(missing_ok=True)
    return path


def find(run_dir: Path) -> Path:
    """Return the trace of a run; raise PreflightError if there is none."""
    for name in (PLAIN, PACKED):
        if (run_dir / name).is_file():
            return run_dir / name
    raise PreflightError(
        f"{run_dir} holds no {PLAIN}: set `trace: true` in the manifest "
        "(or pass `-s trace=true`) and run it again"
    )


def load(path: Path) -> list[Span]:
    """Return the spans of a trace in order of their ends, timed from its first event.

    Raise PreflightError if the file is not a whole trace that `save` wrote.
    """
    try:
        content = path.read_bytes()
        whole = json.loads(gzip.decompress(content) if path.name == PACKED else content)
        return sorted(_spans(whole["traceEvents"]), key=lambda span: span.ended)
    except BROKEN as error:
        raise PreflightError(
            f"{path} is not the trace of a run ({type(error).__name__}: {error}); "
            "run it again with `trace: true`"
        ) from error


def _events(spans: Sequence[Span]) -> Iterator[Event]:
    zero = min((span.began for span in spans), default=0.0)
    yield from _names(spans)
    numbers = count()
    for span in spans:
        event = {
            "name": span.kind,
            "cat": span.kind,
            "ph": "X",
            "pid": GROUP_OF.get(span.kind, TRAINER),
            "tid": STAGE_OF.get(span.kind, span.track),
            "ts": _micro(span.began - zero),
        }
        if span.kind == "batch":
            event |= {"ph": "b", "id": next(numbers)}
            yield {**event, "args": {**span.numbers}}
            yield {**event, "ph": "e", "ts": _micro(span.ended - zero)}
        else:
            yield {**event, "dur": _micro(span.ended - span.began), "args": {**span.numbers}}
    yield from _busy_workers(spans, zero)


def _busy_workers(spans: Iterable[Span], zero: float) -> Iterator[Event]:
    working: defaultdict[int, list[Interval]] = defaultdict(list)
    batched = {span.track for span in spans if span.kind == "step_batch"}
    for span in spans:
        if span.numbers.get("worker", -1) not in {-1, *batched}:
            working[span.numbers["worker"]].append((span.began, span.ended))
    for worker, intervals in sorted(working.items()):
        for began, ended in union(intervals):
            yield {
                "name": BUSY,
                "cat": BUSY,
                "ph": "X",
                "pid": SIMULATORS,
                "tid": worker,
                "ts": _micro(began - zero),
                "dur": _micro(ended - began),
            }


def _names(spans: Iterable[Span]) -> Iterator[Event]:
    for group, name in GROUPS.items():
        yield _meta(group, 0, "process_name", name=name)
        yield _meta(group, 0, "process_sort_index", sort_index=group)
    members = {(GROUP_OF[span.kind], span.track) for span in spans if span.kind in GROUP_OF} | {
        (SIMULATORS, span.numbers["worker"]) for span in spans if "worker" in span.numbers
    }
    named = ((group, track, f"{MEMBERS[group]} {track}") for group, track in sorted(members))
    stages = ((TRAINER, number, name) for number, name in enumerate(STAGES))
    for group, track, name in chain(named, stages):
        yield _meta(group, track, "thread_name", name=name)
        yield _meta(group, track, "thread_sort_index", sort_index=track)


def _meta(group: int, track: int, name: str, /, **content: str | int) -> Event:
    return {"name": name, "ph": "M", "pid": group, "tid": track, "args": content}


def _spans(events: Iterable[Event]) -> Iterator[Span]:
    waiting: dict[int, Event] = {}
    for event in events:
        if event["ph"] == "b":
            waiting[event["id"]] = event
        elif event["ph"] == "e":
            began = waiting.pop(event["id"])
            yield _span(began, event["ts"] - began["ts"])
        elif event["ph"] == "X" and event["name"] != BUSY:
            yield _span(event, event["dur"])


def _span(event: Event, micros: float) -> Span:
    began = event["ts"] / MICROSECONDS
    track = 0 if event["name"] in STAGE_OF else int(event["tid"])
    numbers = cast("dict[str, int]", event["args"])
    return Span(str(event["name"]), track, began, began + micros / MICROSECONDS, numbers)


def _micro(seconds: float) -> float:
    return round(seconds * MICROSECONDS, 3)
