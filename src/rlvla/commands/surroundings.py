"""What a command takes from its surroundings: the plugins that are there and the environment."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, TypeAlias

from rlvla.core.manifest import load, load_trained
from rlvla.core.plugins import GROUP, Plugins
from rlvla.plugins import BUILTIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rlvla.core.settings import Manifest

Failures: TypeAlias = "Mapping[str, Exception | None]"
"""Name of each plugin, and what it raised when it was loaded."""


@dataclass(frozen=True)
class Surroundings:
    """Made once by the command line, handed to every command as the context's object."""

    environment: Mapping[str, str]
    """Variables that a manifest may refer to."""
    only: frozenset[str] | None
    """Names of the installed plugins to load; None: all."""

    def plugins(self, *, without: Sequence[str] = ()) -> Plugins:
        """Load the built-in and the installed plugins but those named in `without`."""
        plugins = Plugins()
        plugins.load_builtin(module for module in BUILTIN if module not in without)
        plugins.load_installed(self._installed(without))
        return plugins

    def manifest(
        self,
        source: str | Path,
        plugins: Plugins,
        *,
        overrides: Sequence[str] = (),
        trains: bool = True,
    ) -> Manifest:
        """Load a manifest with the components of `plugins`; raise ManifestError if it is wrong.

        What one that is not to be trained learned from may be gone.
        """
        return (load if trains else load_trained)(
            source,
            plugins.components,
            overrides=overrides,
            environment=self.environment,
            plugins=failures(plugins),
        )

    def _installed(self, without: Sequence[str]) -> frozenset[str] | None:
        if not without:
            return self.only
        names = frozenset(entry.name for entry in entry_points(group=GROUP))
        return (names if self.only is None else names & self.only) - {*without}


def failures(plugins: Plugins) -> Failures:
    """Return what each plugin raised when it was loaded."""
    return {plugin.name: plugin.error for plugin in plugins}
