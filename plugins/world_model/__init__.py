"""The simulator `world_model`, and the command `rlvla world` that makes what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.hooks import hookimpl

if TYPE_CHECKING:
    import typer

    from rlvla.core.registry import Components


@hookimpl
def register(components: Components) -> None:
    """Register the simulator."""
    components.simulators.add("world_model", "rlvla.plugins.world_model.simulator:WorldModel")


@hookimpl
def add_commands(app: typer.Typer) -> None:
    """Add the command."""
    from rlvla.plugins.world_model.command import world

    app.command()(world)
