"""The report of a run: one HTML page made from the files of its folder, and from nothing else."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from html import escape
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from rlvla.core.history import HISTORY, read
from rlvla.core.page import PAGE, STYLE, figure, number, section, table
from rlvla.core.plot import Bar, Curve, bar_plot, line_plot
from rlvla.core.run_dir import EVALUATIONS, EXIT, PACES, VERSIONS
from rlvla.core.success import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    Row = Mapping[str, Any]

REPORT = "report.html"
MANIFEST = "manifest.resolved.yaml"
EMBED_BYTES = 1_000_000
"""Videos below this size become part of the page; larger ones are linked."""

TOGETHER = {
    "success": ("rollout/success", "eval/success_rate"),
    "staleness": ("async/staleness_mean", "async/staleness_max"),
    "time of a step in ms": ("pace/step_p50_ms", "pace/step_p95_ms", "pace/step_max_ms"),
    "share of time waited": ("wait/simulator", "wait/generator", "wait/trainer"),
}
"""Metrics that share a plot."""
NOT_PLOTTED = ("ledger/", "budget/", "replaced/", "time/seconds", "pace/slowest")
SLOWEST = 8
"""Lanes whose pace is shown."""

MEDIA = {".webp": "image/webp", ".gif": "image/gif", ".png": "image/png", ".mp4": "video/mp4"}


def write_report(run_dir: Path) -> Path:
    """Write `report.html` into the run folder and return its path.

    What the run did not write is left out. The page loads nothing from the network and runs no
    script; text of the run is shown as text.
    """
    rows = read(run_dir / HISTORY)
    tallies = _tallies(run_dir)
    sections = (
        _tiles(rows, tallies),
        section("Success", _success(tallies)),
        section("Curves", _curves(rows)),
        section("Who waited", _waiting(rows)),
        section("Slowest lanes", _paces(run_dir)),
        section("Ledger of decisions", _counts_of(rows, "ledger/", "decisions")),
        section("Simulator workers replaced", _counts_of(rows, "replaced/", "workers")),
        section("Episodes", _videos(run_dir)),
        section("Made with", table(_load(run_dir / VERSIONS).items())),
        section("Manifest", _manifest(run_dir / MANIFEST)),
    )
    page = PAGE.substitute(
        title=escape(run_dir.resolve().name),
        style=STYLE,
        status=_status(_load(run_dir / EXIT)),
        body="\n".join(section for section in sections if section),
    )
    path = run_dir / REPORT
    path.write_text(page, encoding="utf-8")
    return path


def _load(path: Path) -> dict[str, Any]:
    """Return a JSON object, empty if there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def _last(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the last known value of each metric."""
    return {name: value for row in rows for name, value in row.items()}


def _tallies(run_dir: Path) -> list[tuple[str, Tally]]:
    """Return moment and tally of each evaluation, in order."""
    try:
        records: list[dict[str, Any]] = json.loads((run_dir / EVALUATIONS).read_text("utf-8"))
        return [(str(record["moment"]), Tally.from_json(record)) for record in records]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _status(end: Row) -> str:
    code = end["code"] if isinstance(end.get("code"), int) else None
    message = str(end.get("message", ""))
    kind = {None: "open", 0: "good", 75: "open"}.get(code, "bad")
    words = {None: "not ended", 0: "done", 75: "stopped, can be resumed"}
    text = words.get(code, f"exit code {code}")
    detail = f"<p>{escape(message)}</p>" if message else ""
    return f'<span class="status {kind}">{escape(text)}</span>{detail}'


def _tiles(rows: Sequence[Row], tallies: Sequence[tuple[str, Tally]]) -> str:
    last = _last(rows)
    figures = [
        (f"{tally.rate:.0%}", f"success {moment} training")
        for moment, tally in tallies
        if moment != "during"
    ]
    named = {
        "step": "updates",
        "ledger/trained": "decisions trained",
        "time/decisions_per_s": "decisions/s, last update",
        "async/staleness_max": "largest staleness, last update",
    }
    figures += [(number(last[name]), label) for name, label in named.items() if name in last]
    tiles = [f"<div><b>{value}</b><span>{escape(label)}</span></div>" for value, label in figures]
    return f'<div class="tiles">{"".join(tiles)}</div>' if tiles else ""


def _success(tallies: Sequence[tuple[str, Tally]]) -> str:
    if not tallies:
        return ""
    bars = [
        Bar(f"{moment} (v{tally.version})", tally.rate, _counts(tally), tally.interval)
        for moment, tally in tallies
        if moment != "during"
    ]
    course = sorted(tallies, key=lambda pair: pair[1].version)
    curve = Curve(
        "success",
        [(tally.version, tally.rate) for _, tally in course],
        [(tally.version, *tally.interval) for _, tally in course],
    )
    figures = [figure("before and after", bar_plot(bars, label="success, 95 % interval"))]
    figures.append(figure("over training", line_plot([curve], x_label="update", y_label="success")))
    note = f"<p>{escape(_protocol(tallies))}</p>"
    plots = "".join(figures if bars else figures[1:])
    return f'{note}<div class="plots">{plots}</div>{_tasks(tallies)}'


def _protocol(tallies: Sequence[tuple[str, Tally]]) -> str:
    names = sorted({f"{tally.protocol} on {tally.split} starts" for _, tally in tallies})
    return f"Measured by {', '.join(names)}."


def _counts(tally: Tally) -> str:
    return f"{tally.successes}/{tally.episodes} = {tally.rate:.0%}"


def _tasks(tallies: Sequence[tuple[str, Tally]]) -> str:
    head = ("moment", "version", "task", "successes", "episodes", "mean length")
    lines = [
        (moment, tally.version, name, task.successes, task.episodes, task.steps / task.episodes)
        for moment, tally in tallies
        for name, task in tally.tasks.items()
        if task.episodes
    ]
    return table(lines, head)


def _curves(rows: Sequence[Row]) -> str:
    series: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        for name, value in row.items():
            if isinstance(value, (int, float)) and not name.startswith(NOT_PLOTTED):
                series[name].append((row["step"], value))
    series.pop("step", None)
    groups = {title: [one for one in names if one in series] for title, names in TOGETHER.items()}
    grouped = {name for names in groups.values() for name in names}
    groups |= {name: [name] for name in sorted(series) if name not in grouped}
    figures = [
        _curve_figure(title, [Curve(name, series[name]) for name in names])
        for title, names in groups.items()
        if names
    ]
    return f'<div class="plots">{"".join(figures)}</div>' if figures else ""


def _curve_figure(title: str, curves: Sequence[Curve]) -> str:
    legend = "".join(
        f'<span class="c{number % 6}"><i></i>{escape(curve.name)}</span>'
        for number, curve in enumerate(curves)
    )
    plot = line_plot(curves, x_label="update", y_label=title)
    return figure(title, plot, legend if len(curves) > 1 else "")


def _waiting(rows: Sequence[Row]) -> str:
    bars: list[Bar] = []
    for name in TOGETHER["share of time waited"]:
        weighed = [
            (row[name], row.get("time/seconds", 1))
            for row in rows
            if isinstance(row.get(name), (int, float))
        ]
        if total := sum(seconds for _, seconds in weighed):
            share = sum(wait * seconds for wait, seconds in weighed) / total
            bars.append(Bar(name.removeprefix("wait/"), share, f"{share:.0%}"))
    plot = bar_plot(bars, label="share of time waited, whole run") if bars else ""
    return f'<div class="plots">{figure("mean over the run", plot)}</div>' if bars else ""


def _paces(run_dir: Path) -> str:
    """Show the lanes whose steps took longest, or the shards if these are stepped as a whole."""
    try:
        lanes: list[dict[str, float]] = json.loads((run_dir / PACES).read_text("utf-8"))
        lines = [[*lane.values()] for lane in lanes[:SLOWEST]]
        return table(lines, [name.replace("_", " ") for name in lanes[0]])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""


def _counts_of(rows: Sequence[Row], group: str, what: str) -> str:
    lines = [
        (name.removeprefix(group).replace("_", " "), value)
        for name, value in _last(rows).items()
        if name.startswith(group)
    ]
    return table(lines, ("what became of them" if group == "ledger/" else "why", what))


def _videos(run_dir: Path) -> str:
    videos = [path for path in (run_dir / "videos").glob("*") if path.suffix in MEDIA]
    plain = sorted(path for path in videos if path.is_file() and not path.is_symlink())
    figures = [figure(path.stem, _video(path)) for path in plain]
    return f'<div class="plots">{"".join(figures)}</div>' if figures else ""


def _video(path: Path) -> str:
    media, source = MEDIA[path.suffix], f"videos/{quote(path.name)}"
    if path.stat().st_size < EMBED_BYTES:
        source = f"data:{media};base64,{base64.b64encode(path.read_bytes()).decode()}"
    if media.startswith("video/"):
        return f'<video src="{source}" controls loop muted></video>'
    return f'<img src="{source}" alt="{escape(path.stem)}" loading="lazy">'


def _manifest(path: Path) -> str:
    try:
        return f"<pre>{escape(path.read_text(encoding='utf-8'))}</pre>"
    except (OSError, UnicodeDecodeError):
        return ""
