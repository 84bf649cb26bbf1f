"""Recordings: demonstrations on disk, and the command `rlvla record` that makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.hooks import hookimpl

if TYPE_CHECKING:
    import typer

    from rlvla.core.registry import Components


@hookimpl
def register(components: Components) -> None:
    """Register the recordings by name."""
    components.recordings.add("lerobot", "rlvla.plugins.recordings.lerobot:LeRobot")


@hookimpl
def add_commands(app: typer.Typer) -> None:
    """Add the command."""
    from rlvla.plugins.recordings.command import record

    app.command()(record)
