"""`rlvla world`: from a manifest to a model of its simulator."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rlvla.commands.options import ManifestArgument, Overrides
from rlvla.core.folder import new_folder

if TYPE_CHECKING:
    from rlvla.commands.surroundings import Surroundings

Output = Annotated[Path, typer.Argument(help="Folder for the world model; it must not exist.")]
Episodes = Annotated[int, typer.Option(min=20, help="To record; one in ten is held out.")]
Updates = Annotated[int, typer.Option(min=1, help="Of the network.")]


def world(
    context: typer.Context,
    overrides: Overrides,
    manifest: ManifestArgument,
    output: Output,
    episodes: Episodes = 2000,
    updates: Updates = 2000,
) -> None:
    """Learn a model of a manifest's simulator from episodes of its policy.

    The policy is the manifest's before any training; its actions are sampled, and in two of three
    episodes some are replaced by random ones. `simulator: {type: world_model, checkpoint: OUTPUT}`
    then plays episodes that the network imagines.
    """
    surroundings = cast("Surroundings", context.obj)
    resolved = surroundings.manifest(manifest, surroundings.plugins(), overrides=overrides)
    from rlvla.plugins.world_model.making import make

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    with new_folder(output):
        errors = make(resolved, output, episodes=episodes, updates=updates, tell=tell)
    for name, number in errors.items():
        print(f"{name}: {number:.4g}")
