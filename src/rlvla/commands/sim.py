"""Commands that list and make the environments of simulators with pins of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rlvla.core.errors import ManifestError, PreflightError
from rlvla.core.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rlvla.commands.surroundings import Surroundings
    from rlvla.core.pins import Pins

Simulator = Annotated[str, typer.Argument(metavar="NAME", help="A simulator of `rlvla sim list`.")]
Python = Annotated[Path, typer.Option(help="The Python that the environment is made with.")]
Where = Annotated[Path | None, typer.Option(help="Folder of the environment; it must not exist.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def list_(context: typer.Context) -> None:
    """List the simulators that come with pins, and whether their environment is there."""
    surroundings = cast("Surroundings", context.obj)
    for name, pins in _pinned(surroundings).items():
        folder = folder_of(name, surroundings.environment)
        state = f"in {folder}" if (folder / "bin" / "python").exists() else "not installed"
        print(f"{name}  {', '.join(pins.requirements)}  {state}")


def install(
    context: typer.Context,
    name: Simulator,
    python: Python = Path(sys.executable),
    path: Where = None,
    *,
    yes: Yes = False,
) -> None:
    """Make the environment of a simulator, after telling what, where and how large."""
    surroundings = cast("Surroundings", context.obj)
    pins = _pins_of(name, surroundings)
    folder = (path or folder_of(name, surroundings.environment)).expanduser().absolute()
    if folder.exists():
        raise PreflightError(f"{folder} exists: remove it, or name another one by --path")
    commands = _commands(python, folder, pins)
    print(f"This makes an environment of about {pins.megabytes} MB in {folder}")
    print(f"for Python {pins.pythons}, by pip from its package index:")
    for command in commands:
        print(f"  {' '.join(command)}")
    if not yes and not typer.confirm("Go on?"):
        raise typer.Abort
    _make(commands, folder)
    print(f"Done; say `simulator: {{type: {name}, python: {folder}}}`.")
    if pins.note:
        print(pins.note)


def _make(commands: list[list[str]], folder: Path) -> None:
    """Run the commands; half an environment is removed."""
    try:
        for command in commands:
            subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError, KeyboardInterrupt) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise PreflightError(f"the environment could not be made, see above: {error}") from error


def _commands(python: Path, folder: Path, pins: Pins) -> list[list[str]]:
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", *pins.requirements]
    return [[str(python), "-m", "venv", str(folder)], pip]


def _pins_of(name: str, surroundings: Surroundings) -> Pins:
    pinned = _pinned(surroundings)
    if name not in pinned:
        meant = suggest(name, [*pinned])
        hint = f"did you mean {meant!r}?" if meant else f"expected {', '.join(pinned) or 'none'}"
        raise ManifestError(f"no simulator named {name!r} comes with pins, {hint}")
    return pinned[name]


def _pinned(surroundings: Surroundings) -> dict[str, Pins]:
    return dict(_with_pins(surroundings))


def _with_pins(surroundings: Surroundings) -> Iterator[tuple[str, Pins]]:
    registry = surroundings.plugins().components.simulators
    for name in registry:
        pins: Pins | None = getattr(registry[name], "pins", None)
        if pins is not None:
            yield name, pins


def folder_of(name: str, environment: Mapping[str, str]) -> Path:
    """Return where the environment of a simulator is made unless another place is named."""
    data = environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(os.fspath(data)) / "rlvla" / "simulators" / name
