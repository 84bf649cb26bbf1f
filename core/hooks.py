"""The hooks a plugin may implement. They are synchronous and quick; what waits is a component."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import typer

    from rlvla.core.diagnosis import Diagnosis
    from rlvla.core.registry import Components

hookspec = pluggy.HookspecMarker("rlvla")
hookimpl = pluggy.HookimplMarker("rlvla")


@hookspec
def register(components: Components) -> None:
    """Register components by name.

    Called once per plugin, as it is loaded. Import nothing heavy here: give
    `"module:attribute"` and it is imported when a manifest asks for it.
    """


@hookspec
def add_commands(app: typer.Typer) -> None:
    """Add commands to `rlvla`."""


@hookspec
def diagnose() -> Iterable[Diagnosis]:
    """Say what works on this machine, for `rlvla doctor`; it shows each line when it is there."""
    return ()


@hookspec
def start(run_dir: Path, manifest: Mapping[str, object]) -> None:
    """Learn that a run begins: its manifest is resolved, no worker is started yet."""


@hookspec
def log(step: int, row: Mapping[str, float | int | str]) -> None:
    """Learn the metrics of one training step."""


@hookspec
def stop(run_dir: Path, error: BaseException | None) -> None:
    """Learn that a run ended; always called after `start`, with what ended it if it failed."""
