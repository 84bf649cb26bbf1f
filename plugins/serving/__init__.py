"""The command `rlvla serve`: a trained policy answers robots over the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.hooks import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def add_commands(app: typer.Typer) -> None:
    """Add the command."""
    from rlvla.plugins.serving.command import serve

    app.command()(serve)
