"""Commands that make, continue and judge runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from rlvla.commands.options import ManifestArgument, Overrides, RunArgument
from rlvla.commands.summary import summary
from rlvla.core.errors import PreflightError

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.commands.surroundings import Surroundings

RESOLVED = "manifest.resolved.yaml"
"""The manifest in a run's folder."""

Without = Annotated[
    list[str],
    typer.Option(
        "--no-plugin",
        metavar="NAME",
        default_factory=list,
        show_default=False,
        help="Do not load this plugin; may be repeated.",
    ),
]
Episodes = Annotated[
    int | None,
    typer.Option(min=1, help="Episodes per task; by default as many as the manifest asks for."),
]


def run(
    context: typer.Context,
    overrides: Overrides,
    without: Without,
    manifest: ManifestArgument = "quickstart",
) -> None:
    """Train as a manifest says; without one, as the packaged `quickstart`.

    Prints the success rate on held-out starts before and after training,
    each with its 95 % interval. Ctrl-C stops it: it saves and can be resumed.
    """
    surroundings = cast("Surroundings", context.obj)
    plugins = surroundings.plugins(without=without)
    resolved = surroundings.manifest(manifest, plugins, overrides=overrides)
    from rlvla.core.run import run_manifest

    _print_summary(run_manifest(resolved, plugins))


def resume(context: typer.Context, run_dir: RunArgument) -> None:
    """Continue a run that was stopped, from its newest whole checkpoint."""
    surroundings = cast("Surroundings", context.obj)
    plugins = surroundings.plugins()
    resolved = surroundings.manifest(manifest_of(run_dir), plugins)
    from rlvla.core.run import resume_run

    _print_summary(resume_run(run_dir, resolved, plugins))


def evaluate(context: typer.Context, run_dir: RunArgument, episodes: Episodes = None) -> None:
    """Measure the success rate of a run's newest checkpoint on held-out starts."""
    surroundings = cast("Surroundings", context.obj)
    plugins = surroundings.plugins()
    resolved = surroundings.manifest(manifest_of(run_dir), plugins, trains=False)
    from rlvla.core.run import evaluate_run

    tally = evaluate_run(run_dir, resolved, plugins, episodes=episodes)
    print(f"{tally.protocol}, version {tally.version}: {tally.line()}")


def report(run_dir: RunArgument) -> None:
    """Write the report of a run, one HTML file, again."""
    manifest_of(run_dir)
    from rlvla.core.report import write_report

    write_report(run_dir)
    print(run_dir / "report.html")


def manifest_of(run_dir: Path) -> Path:
    """Return the manifest in a run's folder; raise PreflightError if it holds none."""
    path = run_dir / RESOLVED
    if not path.is_file():
        raise PreflightError(
            f"{run_dir} is not the folder of a run: it holds no {RESOLVED}; "
            "name the folder that `rlvla run` printed"
        )
    return path


def _print_summary(run_dir: Path) -> None:
    for line in summary(run_dir):
        print(line)
