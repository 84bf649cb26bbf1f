"""`rlvla bench`: from a manifest to the table of its schedules."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console
from rich.table import Table

from rlvla.commands.options import ManifestArgument, Overrides
from rlvla.core.errors import ManifestError
from rlvla.core.plot import Bar, bar_plot
from rlvla.core.settings import Budget
from rlvla.core.suggest import suggest
from rlvla.plugins.bench.comparison import Line, Spread, compare, to_json
from rlvla.plugins.bench.schedules import SCHEDULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.commands.surroundings import Surroundings
    from rlvla.core.plugins import Plugins
    from rlvla.core.settings import Manifest
    from rlvla.plugins.bench.measurement import Measurement

Repeats = Annotated[int, typer.Option(min=1, help="Times that every schedule runs, in turn.")]
Updates = Annotated[int, typer.Option(min=1, help="Training batches that count, in each run.")]
Warmup = Annotated[int, typer.Option(min=1, help="Training batches before those that count.")]
Chosen = Annotated[
    str, typer.Option("--schedules", help="Which to run, by name and comma; all by default.")
]
Output = Annotated[
    Path | None, typer.Option(help="Write bench.json and bench.svg into this folder.")
]
ALL = ",".join(SCHEDULES)


def bench(
    context: typer.Context,
    overrides: Overrides,
    manifest: ManifestArgument = "quickstart",
    repeats: Repeats = 5,
    updates: Updates = 6,
    warmup: Warmup = 3,
    schedules: Chosen = ALL,
    output: Output = None,
) -> None:
    """Run the same work synchronously and asynchronously, in turn, and compare.

    Decisions per second are those trained on. Repetition n of every schedule has the manifest's
    seed plus n. The bound is what the busiest resource could do if it never waited.
    """
    surroundings = cast("Surroundings", context.obj)
    plugins = surroundings.plugins()
    variants = {
        name: _shortened(
            surroundings.manifest(manifest, plugins, overrides=[*overrides, *SCHEDULES[name]]),
            updates + warmup,
        )
        for name in _names(schedules)
    }
    screen = Console(stderr=True)
    repetitions: list[list[Measurement]] = []
    for number in range(repeats):
        repetitions.append([])
        for name, variant in variants.items():
            seeded = replace(variant, seed=variant.seed + number)
            one = _measured(seeded, plugins, name, warmup)
            repetitions[-1].append(one)
            screen.print(f"{number + 1}/{repeats} {name}: {one.decisions_per_s:.1f} decisions/s")
    lines = compare(repetitions)
    paper = Console()
    paper.print(_table(lines, f"{manifest}, {repeats} repetitions, {os.cpu_count()} cores"))
    for line in lines:
        busy = ", ".join(f"{name} {share:.0%}" for name, share in line.busy.items())
        paper.print(f"{line.schedule}: {line.steps_per_s:.1f} steps/s; in use: {busy}")
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "bench.json").write_text(json.dumps(to_json(lines), indent=1))
        (output / "bench.svg").write_text(_plot(lines))


def _measured(manifest: Manifest, plugins: Plugins, schedule: str, warmup: int) -> Measurement:
    from rlvla.core.run import StoppedError
    from rlvla.plugins.bench.measurement import measure

    try:
        return measure(manifest, plugins, schedule=schedule, warmup=warmup)
    except StoppedError:  # there is nothing to resume
        raise typer.Abort from None


def _names(schedules: str) -> list[str]:
    names = [name.strip() for name in schedules.split(",")]
    for name in names:
        if name not in SCHEDULES:
            meant = suggest(name, [*SCHEDULES])
            hint = f"did you mean {meant!r}?" if meant else f"expected {', '.join(SCHEDULES)}"
            raise ManifestError(f"--schedules: no schedule {name!r}, {hint}")
    return names


def _shortened(manifest: Manifest, updates: int) -> Manifest:
    """Return the manifest with a budget of so many updates and the least of evaluation."""
    phase = replace(manifest.phases[-1], budget=Budget(updates=updates))
    evaluating = replace(manifest.evaluating, episodes=1, every=0, videos=0, lanes=1)
    every = replace(manifest.checkpointing, every=updates)
    return replace(manifest, phases=(phase,), evaluating=evaluating, checkpointing=every)


def _table(lines: Sequence[Line], title: str) -> Table:
    table = Table(title=title, caption="median (lowest to highest)", caption_justify="left")
    table.add_column("schedule", no_wrap=True)
    for name in ("decisions/s", "over vectorised", "over pipelined", "share of bound", "stale"):
        table.add_column(name, justify="right")
    for line in lines:
        table.add_row(
            line.schedule,
            _spread(line.decisions_per_s, 1),
            _spread(line.speedup, 2),
            _spread(line.over_pipelined, 2),
            f"{_spread(line.bound_share, 3)} of {line.bound:.1f} by {line.bottleneck}",
            f"{line.staleness:.2f}",
        )
    return table


def _spread(spread: Spread | None, digits: int) -> str:
    if spread is None:
        return "-"
    middle, low, high = (f"{one:.{digits}f}" for one in (spread.middle, spread.low, spread.high))
    return f"{middle} ({low} to {high})" if low != high else middle


def _plot(lines: Sequence[Line]) -> str:
    """Return bars of the rates, as shares of the fastest."""
    top = max(line.decisions_per_s.high for line in lines)
    return bar_plot(
        [
            Bar(
                line.schedule,
                line.decisions_per_s.middle / top,
                f"{line.decisions_per_s.middle:.0f} decisions/s",
                (line.decisions_per_s.low / top, line.decisions_per_s.high / top),
            )
            for line in lines
        ],
        label="decisions per second",
    )
