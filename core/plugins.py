"""Finding, loading and listing plugins."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import partial
from importlib.metadata import distributions
from typing import TYPE_CHECKING

import pluggy

from rlvla.core import hooks
from rlvla.core.registry import Components

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

GROUP = "rlvla"


@dataclass(frozen=True)
class Plugin:
    """One row of `rlvla plugins list`."""

    name: str
    origin: str
    """`built in`, or name and version of the distribution."""
    provides: tuple[str, ...]
    """`kind:name` of each component."""
    error: Exception | None


class Plugins:
    """The loaded plugins and what they registered."""

    def __init__(self) -> None:
        self.components = Components()
        self._loaded: list[Plugin] = []
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hooks)

    @property
    def hook(self) -> pluggy.HookRelay:
        """Call a lifecycle hook of every plugin that implements it."""
        return self._manager.hook

    def load_builtin(self, modules: Iterable[str]) -> None:
        """Load the plugins that come with rlvla."""
        for module in modules:
            self.load(module, "built in", partial(importlib.import_module, module))

    def load_installed(self, only: Iterable[str] | None = None) -> None:
        """Load every installed plugin, or only those named; a broken one is listed, not fatal."""
        for distribution in distributions():
            origin = f"{distribution.metadata['Name']} {distribution.version}"
            for entry in distribution.entry_points.select(group=GROUP):
                if only is None or entry.name in only:
                    self.load(entry.name, origin, entry.load)

    def load(self, name: str, origin: str, importer: Callable[[], object]) -> None:
        """Load one plugin; whatever it raises is kept in its row and undoes its registrations."""
        offered = self.components.owned_by(name)
        error = None
        try:
            self._register(name, importer(), offered)
            self.components.merge(offered)
        except Exception as raised:  # noqa: BLE001 - whatever a plugin raises is its own fault
            error = raised
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
        provides = (
            () if error else tuple(f"{kind.kind}:{item}" for kind in offered for item in kind)
        )
        self._loaded.append(Plugin(name, origin, provides, error))

    def __iter__(self) -> Iterator[Plugin]:
        return iter(self._loaded)

    def _register(self, name: str, module: object, offered: Components) -> None:
        self._manager.register(module, name)
        self._manager.check_pending()  # a misspelt hook is otherwise ignored
        others = [plugin for plugin in self._manager.get_plugins() if plugin is not module]
        self._manager.subset_hook_caller("register", others)(components=offered)
