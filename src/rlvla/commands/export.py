"""The command that writes a trained policy for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rlvla.commands.options import RunArgument
from rlvla.commands.run import manifest_of

if TYPE_CHECKING:
    from rlvla.commands.surroundings import Surroundings

To = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="LAYOUT",
        help="`merged`: a checkpoint of rlvla; `peft`: low-rank adapters alone, of a run that "
        "trained them on a checkpoint; or the layout of the model's origin: `openvla`, `openpi`, "
        "`lerobot`.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        show_default="RUN/exports/LAYOUT",
        help="The folder to make.",
    ),
]


def export(context: typer.Context, run_dir: RunArgument, to: To, output: Output = None) -> None:
    """Write a run's newest checkpoint in the layout of others.

    It is read back and compared before the folder appears. A model card tells the protocol, the
    success rate and its interval.
    """
    surroundings = cast("Surroundings", context.obj)
    resolved = surroundings.manifest(manifest_of(run_dir), surroundings.plugins())
    from rlvla.core.export import export_run

    made = export_run(run_dir, resolved, to=to, target=output or run_dir / "exports" / to)
    print(f"{made.path}: {to}, version {made.step}; {made.agreement.line()}")
