"""The command that writes a trained policy for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

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


Precision = Annotated[
    Literal["float32", "bfloat16"],
    typer.Option(help="Of the weights; `bfloat16` only in the layout of the model's origin."),
]


def export(
    context: typer.Context,
    run_dir: RunArgument,
    to: To,
    output: Output = None,
    precision: Precision = "float32",
) -> None:
    """Write a run's newest checkpoint in the layout of others.

    It is read back and compared before the folder appears. A model card tells the protocol, the
    success rate and its interval.
    """
    surroundings = cast("Surroundings", context.obj)
    resolved = surroundings.manifest(manifest_of(run_dir), surroundings.plugins(), trains=False)
    from rlvla.core.export import export_run

    target, reduced = output or run_dir / "exports" / to, precision == "bfloat16"
    made = export_run(run_dir, resolved, to=to, target=target, reduced=reduced)
    print(f"{made.path}: {to}, version {made.step}; {made.agreement.line()}")
