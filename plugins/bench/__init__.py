"""The command `rlvla bench`: what asynchrony is worth, measured on the machine at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.hooks import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def add_commands(app: typer.Typer) -> None:
    """Add the command."""
    from rlvla.plugins.bench.command import bench

    app.command()(bench)
