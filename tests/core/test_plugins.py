from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rlvla.core.hooks import hookimpl
from rlvla.core.plugins import Plugin, Plugins
from rlvla.plugins import BUILTIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from rlvla.core.registry import Components


def _module(**hooks: object) -> ModuleType:
    module = ModuleType("plugin")
    vars(module).update(hooks)
    return module


def _registers(*names: str) -> object:
    """Return a plugin that registers sharding rules."""

    @hookimpl
    def register(components: Components) -> None:
        for name in names:
            components.sharding.add(name, "some.module:Rule")

    return _module(register=register)


def _row(plugins: Plugins, name: str) -> Plugin:
    return next(plugin for plugin in plugins if plugin.name == name)


def _raises(error: Exception) -> Callable[[], object]:
    def importer() -> object:
        raise error

    return importer


def test_the_plugins_that_come_with_rlvla_all_load() -> None:
    plugins = Plugins()
    plugins.load_builtin(BUILTIN)
    assert [plugin.error for plugin in plugins] == [None] * len(BUILTIN)
    assert "simulator:tabletop" in _row(plugins, "rlvla.plugins.simulators").provides
    assert {plugin.origin for plugin in plugins} == {"built in"}


def test_a_plugin_that_cannot_be_imported_is_listed_with_its_error() -> None:
    plugins = Plugins()
    error = ImportError("libvulkan is missing")
    plugins.load("broken", "rlvla-broken 1.0", _raises(error))
    plugins.load("fine", "rlvla-fine 1.0", lambda: _registers("odd"))
    assert _row(plugins, "broken") == Plugin("broken", "rlvla-broken 1.0", (), error)
    assert _row(plugins, "fine").provides == ("sharding:odd",)


def test_what_a_plugin_registered_before_it_failed_is_undone() -> None:
    @hookimpl
    def register(components: Components) -> None:
        components.sharding.add("odd", "some.module:Rule")
        raise RuntimeError("half way")

    plugins = Plugins()
    plugins.load("half", "test", lambda: _module(register=register))
    assert "odd" not in plugins.components.sharding
    assert str(_row(plugins, "half").error) == "half way"
    plugins.load("whole", "test", lambda: _registers("odd"))
    assert _row(plugins, "whole").error is None


def test_a_plugin_that_takes_a_name_is_refused_as_a_whole() -> None:
    plugins = Plugins()
    plugins.load("first", "test", lambda: _registers("odd"))
    plugins.load("second", "test", lambda: _registers("prime", "odd"))
    told = str(_row(plugins, "second").error)
    assert told == "sharding 'odd' is registered twice: by 'first' and by 'second'"
    assert [*plugins.components.sharding] == ["odd"]
    assert plugins.components.sharding.owner_of("odd") == "first"


def test_a_misspelt_hook_is_an_error_of_its_plugin() -> None:
    @hookimpl
    def regsiter(components: Components) -> None:
        components.sharding.add("odd", "some.module:Rule")

    plugins = Plugins()
    plugins.load("typo", "test", lambda: _module(regsiter=regsiter))
    assert "regsiter" in str(_row(plugins, "typo").error)
    assert "odd" not in plugins.components.sharding


def test_a_hook_with_a_misspelt_argument_is_an_error_of_its_plugin() -> None:
    @hookimpl
    def register(component: Components) -> None:
        del component

    plugins = Plugins()
    plugins.load("typo", "test", lambda: _module(register=register))
    assert re.search("component", str(_row(plugins, "typo").error))


def test_each_plugin_registers_once() -> None:
    calls: list[str] = []

    @hookimpl
    def register(components: Components) -> None:
        del components
        calls.append("called")

    plugins = Plugins()
    plugins.load("first", "test", lambda: _module(register=register))
    plugins.load("second", "test", lambda: _registers("odd"))
    assert calls == ["called"]


def test_lifecycle_hooks_reach_every_plugin_but_a_broken_one(tmp_path: Path) -> None:
    seen: list[Any] = []

    def make(name: str) -> object:
        @hookimpl
        def start(run_dir: Path) -> None:
            seen.append((name, "start", run_dir))

        @hookimpl
        def log(step: int) -> None:
            seen.append((name, "log", step))

        @hookimpl
        def stop(error: BaseException | None) -> None:
            seen.append((name, "stop", error))

        return _module(start=start, log=log, stop=stop)

    @hookimpl
    def register(components: Components) -> None:
        raise RuntimeError(str(components))

    broken = make("broken")
    vars(broken)["register"] = register
    plugins = Plugins()
    plugins.load("one", "test", lambda: make("one"))
    plugins.load("broken", "test", lambda: broken)
    error = RuntimeError("over")
    plugins.hook.start(run_dir=tmp_path, manifest={})
    plugins.hook.log(step=3, row={})
    plugins.hook.stop(run_dir=tmp_path, error=error)
    assert seen == [("one", "start", tmp_path), ("one", "log", 3), ("one", "stop", error)]


def _distribute(root: Path, name: str, module: str) -> None:
    """Write a distribution with one plugin as pip would install it."""
    info = root / f"rlvla_{name}-1.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: rlvla-{name}\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(f"[rlvla]\n{name} = rlvla_{name}\n")
    (root / f"rlvla_{name}.py").write_text(module)


GOOD = """
from rlvla import hookimpl

@hookimpl
def register(components):
    components.sharding.add("odd", "rlvla_good:Odd")
"""


def test_installed_plugins_are_found_by_their_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _distribute(tmp_path, "good", GOOD)
    _distribute(tmp_path, "bad", "raise SystemError('no device')\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    plugins = Plugins()
    plugins.load_installed()
    assert _row(plugins, "good").origin == "rlvla-good 1.5"
    assert _row(plugins, "good").provides == ("sharding:odd",)
    assert str(_row(plugins, "bad").error) == "no device"


def test_only_the_named_plugins_are_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _distribute(tmp_path, "chosen", "")
    _distribute(tmp_path, "other", "")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    plugins = Plugins()
    plugins.load_installed(only=["chosen"])
    assert [plugin.name for plugin in plugins] == ["chosen"]
    assert "rlvla_other" not in sys.modules
