"""What `rlvla doctor` finds out about simulators: whether each shows something here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.commands.components import Named
from rlvla.commands.sim import folder_of
from rlvla.core.diagnosis import Diagnosis
from rlvla.core.errors import PluginError
from rlvla.core.runtime.asking import ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rlvla.commands.surroundings import Surroundings
    from rlvla.core.interfaces import Simulator
    from rlvla.core.plugins import Plugins

PART = "simulators"
WITHIN_S = 120.0


def simulators(plugins: Plugins, surroundings: Surroundings) -> Iterator[Diagnosis]:
    """Try out each simulator with its defaults, in its own environment where there is one."""
    registry = plugins.components.simulators
    for name in registry:
        folder = folder_of(name, surroundings.environment)
        has_own = (folder / "bin" / "python").exists()
        yield _tried(Named(registry, name), folder if has_own else None)


def first_observation(simulator: Simulator, python: Path | None = None) -> str:
    """Return after how long a simulator showed something; raise RlvlaError if it did not."""
    told = ask(simulator, python, "--show", within=WITHIN_S)
    if "error" in told:
        _, message = told["error"]
        raise PluginError(message.removeprefix("RuntimeError: "))
    return f"shows something after {told['seconds']:.1f} s"


def _tried(named: Named, python: Path | None) -> Diagnosis:
    where = f", in {python}" if python else ""
    try:
        if named.needs_options:
            return _told(named, works=None, told="not tried, it has an option without default")
        simulator: Simulator = named.registry[named.name]()
        return _told(named, works=True, told=first_observation(simulator, python) + where)
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises is what was found
        return _told(named, works=False, told=f"{error}{where}")


def _told(named: Named, *, works: bool | None, told: str) -> Diagnosis:
    return Diagnosis(part=PART, name=named.name, works=works, told=" ".join(told.split()))
