"""The command that tells beforehand how fast a run would be, on how many machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rlvla.commands.options import ManifestArgument, Overrides
from rlvla.core.errors import ManifestError, PreflightError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from rlvla.commands.surroundings import Surroundings
    from rlvla.core.latency import Latencies
    from rlvla.core.planning.finding import Finding
    from rlvla.core.planning.forecast import Forecast
    from rlvla.core.planning.search import Search
    from rlvla.core.planning.size import Size
    from rlvla.core.settings import Manifest

MOST = 256
"""GPUs of the largest size, unless sizes are asked for."""
SCHEDULES = ("async", "sync")

Gpus = Annotated[
    str | None,
    typer.Option(
        help="Sizes by comma, as `8,16,32`: multiples of what one cell takes. "
        f"By default 1, 2, 4 ... cells up to {MOST} GPUs.",
    ),
]
From = Annotated[
    Path | None,
    typer.Option(
        "--latencies",
        exists=True,
        dir_okay=False,
        help="What `rlvla profile` measured; without it, what the components say of themselves.",
    ),
]
Updates = Annotated[int, typer.Option(min=1, help="Training batches that are simulated.")]
GpuMemory = Annotated[
    float | None,
    typer.Option(min=0, help="GB (10^9 bytes) of a GPU, if it is not one of this machine."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def plan(
    context: typer.Context,
    manifest: ManifestArgument,
    overrides: Overrides,
    gpus: Gpus = None,
    latencies: From = None,
    updates: Updates = 4,
    gpu_memory: GpuMemory = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Predict throughput, staleness and bottleneck for many GPUs, and propose a faster manifest.

    The pipeline runs on a virtual clock; nothing is built. A cell is the manifest's own layout;
    lanes and batches grow with the cells.
    """
    from rlvla.core.planning.fit import findings
    from rlvla.core.planning.search import Search
    from rlvla.core.planning.size import last_phase

    surroundings = cast("Surroundings", context.obj)
    plugins = surroundings.plugins()
    resolved = surroundings.manifest(manifest, plugins, overrides=overrides)
    last_phase(resolved)
    wanted = _sizes(resolved, gpus)
    times = _latencies(resolved, latencies, manifest)
    gpu_bytes = None if gpu_memory is None else round(gpu_memory * 1e9)
    fit = [*findings(resolved, max(wanted).cells, gpu_bytes=gpu_bytes)]
    forecasts = _forecasts(resolved, times, wanted, updates)
    search = Search(
        manifest=resolved,
        latencies=times,
        components=plugins.components,
        environment=surroundings.environment,
        updates=max(updates, 8),
    )
    search.run()
    if as_json:
        print(json.dumps(_plain(times, fit, forecasts, search), indent=2))
    else:
        _show(times, fit, forecasts, search)


def _sizes(manifest: Manifest, gpus: str | None) -> list[Size]:
    from rlvla.core.planning.size import doubling, sizes

    if gpus is None:
        return sizes(manifest, [*doubling(manifest, MOST)])
    try:
        numbers = [int(number) for number in gpus.split(",")]
    except ValueError:
        raise ManifestError(f"--gpus: expected numbers by comma, got {gpus!r}") from None
    return sizes(manifest, sorted({*numbers}))


def _latencies(manifest: Manifest, path: Path | None, source: str) -> Latencies:
    from rlvla.core.latency import load
    from rlvla.core.run import job_of
    from rlvla.core.runtime.virtual.runtime import Virtual
    from rlvla.core.runtime.virtual.told import told_by

    if path is None and isinstance(manifest.runtime, Virtual):
        own = manifest.runtime.latencies
        if own is not None and not isinstance(own, Path):
            return own
        path = own
    if path is not None:
        return load(path)
    try:
        return told_by(job_of(manifest, manifest.phases[-1]))
    except PreflightError:
        raise PreflightError(
            "--latencies is needed: the simulator and the model do not say how long they take; "
            f"measure it with `rlvla profile {source} --output latencies.yaml`"
        ) from None


def _forecasts(
    manifest: Manifest, latencies: Latencies, sizes: Sequence[Size], updates: int
) -> list[Forecast]:
    from rich.console import Console

    from rlvla.core.planning.forecast import forecast
    from rlvla.core.planning.size import synchronous

    screen, done = Console(stderr=True), list["Forecast"]()
    variants = dict(zip(SCHEDULES, (manifest, synchronous(manifest)), strict=True))
    for size in sizes:
        for name, variant in variants.items():
            one = forecast(variant, latencies, size, schedule=name, updates=updates)
            screen.print(f"{size.gpus} GPUs, {name}: {one.result.decisions_per_s:.1f} decisions/s")
            done.append(one)
    return done


def _plain(
    latencies: Latencies, fit: Sequence[Finding], forecasts: Sequence[Forecast], search: Search
) -> dict[str, object]:
    return {
        "source": latencies.source,
        "fit": [one._asdict() for one in fit],
        "forecasts": [one.to_json() for one in forecasts],
        "recommended": {
            "changes": search.changes,
            "before": search.before.to_json(),
            "after": search.best.to_json(),
        },
    }


def _show(
    latencies: Latencies, fit: Sequence[Finding], forecasts: Sequence[Forecast], search: Search
) -> None:
    from rich.console import Console

    from rlvla.core.planning.chart import bars

    paper = Console(highlight=False)
    for finding in fit:
        told = f"{'fits ' if finding.fits else 'check'}  {finding.text}"
        paper.print(told, markup=False, soft_wrap=True)
    paper.print(_throughput(forecasts))
    paper.print("Busy shares; `turn` is what a placement has its workers use in turns:")
    paper.print(_utilisation(forecasts))
    rows = [(f"{one.size.gpus} {one.schedule}", one.per_gpu) for one in forecasts]
    paper.print("decisions/s of each GPU:")
    for line in bars(rows):
        paper.print(line, markup=False, soft_wrap=True)
    _propose(paper, search)
    paper.print(f"Latencies: {latencies.source or 'not said from where'}.", soft_wrap=True)


def _throughput(forecasts: Sequence[Forecast]) -> Table:
    from rich.table import Table

    table = Table("GPUs", "schedule")
    for name in ("decisions/s", "over sync", "efficiency", "staleness"):
        table.add_column(name, justify="right")
    first = {one.schedule: one.per_gpu for one in reversed(forecasts)}
    baseline = {one.size: one for one in forecasts if one.schedule == SCHEDULES[-1]}
    for one in forecasts:
        gain = one.per_gpu / baseline[one.size].per_gpu
        told = (f"{one.result.decisions_per_s:.1f}", f"{gain:.2f}")
        share = f"{one.per_gpu / first[one.schedule]:.0%}"
        table.add_row(str(one.size.gpus), one.schedule, *told, share, f"{one.staleness:.2f}")
    return table


def _utilisation(forecasts: Sequence[Forecast]) -> Table:
    from rich.table import Table

    table = Table("GPUs", "schedule")
    kinds = [*forecasts[0].result.utilisation]
    for kind in kinds:
        table.add_column(kind, justify="right")
    table.add_column("bottleneck")
    for one in forecasts:
        shares = (f"{one.result.utilisation[kind]:.0%}" for kind in kinds)
        table.add_row(str(one.size.gpus), one.schedule, *shares, one.result.bottleneck)
    return table


def _propose(paper: Console, search: Search) -> None:
    from rlvla.core.planning.change import snippet

    before, after = (one.result.decisions_per_s for one in (search.before, search.best))
    if not search.changes:
        paper.print(f"None of {search.tried - 1} variants of one cell is notably faster.")
        return
    paper.print(
        f"Best of {search.tried} variants of one cell: {after:.1f} decisions/s instead of "
        f"{before:.1f}, with",
        soft_wrap=True,
    )
    paper.print(snippet(search.changes), markup=False, end="", soft_wrap=True)
