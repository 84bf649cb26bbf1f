"""Metrics for the person who watches: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console as Screen
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    Value = float | int | str

WORKERS = ("simulator", "generator", "trainer")


@dataclass(kw_only=True)
class Console:
    """Show speed, success, staleness, batch size and who waits for whom."""

    every: int = 1
    """Updates between two plain lines; the live display shows every update."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"every must be at least 1, got {self.every}")
        self._screen = Screen()
        self._live: Live | None = None
        self._seen: dict[str, Value] = {}
        self._rows = 0
        self._clock = Remaining()

    def start(self, run_dir: str, manifest: Mapping[str, object]) -> None:
        """Say where the run is; open the live display if there is a terminal."""
        name = manifest.get("name", "run")
        self._screen.print(f"{name}: {run_dir}", markup=False, highlight=False, soft_wrap=True)
        if self._screen.is_terminal:
            self._live = Live(console=self._screen, auto_refresh=False)
            self._live.start()

    def log(self, row: Mapping[str, Value]) -> None:
        """Show one row; what a row lacks keeps its last value."""
        left = self._clock.left(row)
        self._seen.update(row)
        self._rows += 1
        if self._live is not None:
            self._live.update(_display(self._seen, left), refresh=True)
        elif (self._rows - 1) % self.every == 0 or "eval/success_rate" in row:
            self._screen.print(
                line(self._seen, left), markup=False, highlight=False, soft_wrap=True
            )

    def close(self) -> None:
        """Leave the last display standing."""
        if self._live is not None:
            self._live.stop()


@dataclass
class Remaining:
    """Estimates the time left from the share of the budget that is spent."""

    began: float = 0.0
    """When the phase or the resumed run began, on the monotonic clock in seconds."""
    phase: Value | None = None
    spent: float | None = None
    """Share of the budget at that time."""

    def left(self, row: Mapping[str, Value]) -> float | None:
        """Return the seconds left of the present phase, None if that is not known yet."""
        fraction = row.get("budget/fraction")
        if not isinstance(fraction, (int, float)):
            return None
        if self.spent is None or row.get("phase") != self.phase or fraction < self.spent:
            self.began, self.phase, self.spent = time.monotonic(), row.get("phase"), fraction
            return None
        gained = fraction - self.spent
        elapsed = time.monotonic() - self.began
        return (1 - fraction) * elapsed / gained if gained > 0 else None


def line(row: Mapping[str, Value], left: float | None) -> str:
    """Return a row as one line of text."""
    spent = row.get("budget/fraction")
    parts = [f"{row.get('phase', 'update')} {row.get('step', '?')}"]
    if isinstance(spent, (int, float)):
        remaining = "" if left is None else f", {duration(left)} left"
        parts[0] += f" ({100 * spent:.0f} %{remaining})"
    return " · ".join([*parts, *(f"{name} {value}" for name, value in figures(row))])


def figures(row: Mapping[str, Value]) -> list[tuple[str, str]]:
    """Return what is known of the figures to show, as name and text."""
    waits = [
        f"{worker} {number}"
        for worker in WORKERS
        if (number := _number(row, f"wait/{worker}", "{:.0%}")) is not None
    ]
    staleness = [
        _number(row, "async/staleness_mean", "{:.2f}"),
        _number(row, "async/staleness_max", "max {:.0f}"),
    ]
    known = [
        ("decisions/s", _number(row, "time/decisions_per_s", "{:.0f}")),
        ("success", _number(row, "rollout/success", "{:.0%}")),
        ("eval", _number(row, "eval/success_rate", "{:.0%}")),
        ("staleness", " ".join(part for part in staleness if part)),
        ("batch", _number(row, "async/batch_size", "{:.1f}")),
        ("waiting", ", ".join(waits)),
    ]
    return [(name, text) for name, text in known if text]


def duration(seconds: float) -> str:
    """Return a time in words: `42 s`, `3 min 05 s`, `2 h 07 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _number(row: Mapping[str, Value], name: str, form: str) -> str | None:
    value = row.get(name)
    return form.format(value) if isinstance(value, (int, float)) else None


def _display(row: Mapping[str, Value], left: float | None) -> Table:
    spent = row.get("budget/fraction")
    bar = Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn()
    )
    remaining = "" if left is None else f", {duration(left)} left"
    bar.add_task(
        f"{row.get('phase', 'update')} {row.get('step', '?')}{remaining}",
        total=1000,
        completed=round(1000 * spent) if isinstance(spent, (int, float)) else 0,
    )
    table = Table.grid(padding=(0, 2))
    for name, value in figures(row):
        table.add_row(f"[dim]{name}[/]", value)
    page = Table.grid()
    page.add_row(bar)
    page.add_row(table)
    return page
