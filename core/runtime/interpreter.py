"""Another Python environment, and how modules of rlvla are run in it."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rlvla.core.errors import PreflightError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

GUEST = Path(__file__).with_name("guest.py")
LENT = ("rlvla", "pluggy")
"""What every simulator module imports, in pure Python."""


@dataclass(frozen=True)
class Interpreter:
    """The Python of an environment that needs not have rlvla."""

    python: Path
    lent: str
    """JSON, see `guest`."""

    def command(self, module: str, *arguments: str) -> list[str]:
        """Return the command line that runs a module there; nothing of ours is on its path."""
        return [str(self.python), "-I", str(GUEST), self.lent, module, *arguments]


def own_command(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module in the environment of this process."""
    return [sys.executable, "-m", module, *arguments]


def interpreter_for(python: Path, described: Mapping[str, Any]) -> Interpreter:
    """Return the interpreter of a component that `describe` described.

    `python` is that of an environment or its folder. The packages that define the component are
    lent to it. Raise PreflightError if there is no such interpreter.
    """
    lent = {name: _place(name) for name in dict.fromkeys([*LENT, *_packages(described)])}
    return Interpreter(_executable(python), json.dumps(lent))


def _executable(python: Path) -> Path:
    # made absolute but not resolved: a link of an environment says which environment it is
    given = python.expanduser().absolute()
    found = given / "bin" / "python" if given.is_dir() else given
    if not found.is_file():
        raise PreflightError(
            f"no interpreter at {found}; name an existing environment, "
            "or make one, such as by `rlvla sim install`"
        )
    return found


def _packages(described: object) -> Iterator[str]:
    if isinstance(described, list | tuple):
        for item in cast("Sequence[object]", described):
            yield from _packages(item)
    elif isinstance(described, dict):
        entries = cast("dict[str, object]", described)
        module, colon, _ = str(entries.get("type", "")).partition(":")
        if colon:
            yield module.partition(".")[0]
        for item in entries.values():
            yield from _packages(item)


def _place(package: str) -> tuple[str | None, list[str]]:
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise PreflightError(f"package {package!r} cannot be lent, it is gone")
    return spec.origin if spec.has_location else None, [*(spec.submodule_search_locations or ())]
