"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

ManifestArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="MANIFEST", help="A YAML file, or the name of a packaged manifest.")
]
Overrides: TypeAlias = Annotated[
    list[str],
    typer.Option(
        "--set",
        "-s",
        metavar="KEY.PATH=VALUE",
        default_factory=list,
        show_default=False,
        help="Override a setting, as `-s algorithm.lr=1e-4`; may be repeated.",
    ),
]
RunArgument: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        exists=True,
        file_okay=False,
        help="The folder of a run, as `runs/quickstart`.",
    ),
]
