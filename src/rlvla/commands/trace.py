"""The command that tells where the time of a run went."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from rlvla.commands.options import RunArgument
from rlvla.core.chrome import find, load
from rlvla.core.errors import PreflightError
from rlvla.core.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.table import Table

    from rlvla.core.usage import Group
    from rlvla.core.verdict import Verdict

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
BAR = 30
"""Characters of the longest bar of a histogram."""
ROWS = 10
"""Rows of a histogram at most; more values than that are put together in ranges."""


def trace(run_dir: RunArgument, *, as_json: AsJson = False) -> None:
    """Tell where the time of a run went: who worked, who waited for what, and what to change.

    The run must have been made with `trace: true`.
    """
    path = find(run_dir)
    verdict = _judged(path)
    if as_json:
        print(json.dumps({**verdict.to_json(), "file": str(path)}, indent=2))
        return
    _show(verdict)
    print(f"Open {path} in https://ui.perfetto.dev or chrome://tracing to see every span.")


def _judged(path: Path) -> Verdict:
    try:
        return judge(load(path))
    except ValueError as error:
        raise PreflightError(f"{path}: its {error}; let the run train longer") from error


def _show(verdict: Verdict) -> None:
    from rich.console import Console

    screen = Console(highlight=False)
    usage, piped = verdict.usage, not screen.is_terminal
    screen.print(_table([*usage.groups.values()]))
    for title, counts in (("batch size", usage.batch_sizes), ("staleness", usage.staleness)):
        if counts:
            screen.print(_histogram(title, counts))
    screen.print(
        f"Measured over {usage.seconds:.4g} s, in which {usage.decisions} decisions were used.",
        soft_wrap=piped,
    )
    for line in verdict.lines:
        screen.print(line, markup=False, soft_wrap=piped)


def _table(groups: list[Group]) -> Table:
    from rich.table import Table

    table = Table("group", "members", "busy", "busiest", "waits for")
    for group in groups:
        waits = {**group.waits, "anything else": group.rest}
        told = ", ".join(f"{name} {share:.0%}" for name, share in waits.items() if share >= 0.005)
        table.add_row(group.name, str(group.size), f"{group.busy:.0%}", f"{group.peak:.0%}", told)
    return table


def _histogram(title: str, counts: Mapping[int, int]) -> Table:
    from rich.table import Table

    table = Table(title, "times", "share", "")
    total = sum(counts.values())
    rows = binned(counts)
    largest = max(count for _, count in rows)
    for name, count in rows:
        table.add_row(name, str(count), f"{count / total:.0%}", "█" * round(BAR * count / largest))
    return table


def binned(counts: Mapping[int, int]) -> list[tuple[str, int]]:
    """Return at most ROWS values or ranges of equal width, in order, and how often each came."""
    low, high = min(counts), max(counts)
    width = -(-(high - low + 1) // ROWS)
    rows: list[tuple[str, int]] = []
    for first in range(low, high + 1, width):
        last = min(first + width - 1, high)
        count = sum(number for value, number in counts.items() if first <= value <= last)
        rows.append((str(first) if first == last else f"{first}-{last}", count))
    return rows
