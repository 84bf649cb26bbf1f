"""Commands that list, explain and check plugins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rlvla.commands.components import Companions, check_of, explain, find
from rlvla.core.errors import PluginError

if TYPE_CHECKING:
    from rlvla.commands.components import Named
    from rlvla.commands.surroundings import Surroundings
    from rlvla.core.plugins import Plugin, Plugins

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A plugin, or a component as `ppo` or `algorithm:ppo`."),
]
Company = Annotated[str, typer.Option(help="The component that models and algorithms meet.")]
OK, UNCHECKED = "ok", "there is no check of this kind"
UNMADE = "not checked, it has an option without default"
PASSED = frozenset({OK, UNCHECKED, UNMADE})

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def list_(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the plugins, what they provide, and what is wrong with those that failed to load."""
    plugins = [*cast("Surroundings", context.obj).plugins()]
    if as_json:
        print(json.dumps([_record(plugin) for plugin in plugins], indent=2))
        return
    width = max(len(plugin.name) for plugin in plugins)
    for plugin in plugins:
        told = f"broken: {_said(plugin.error)}" if plugin.error else ", ".join(plugin.provides)
        print(f"{plugin.name:{width}}  {plugin.origin}  {told}")


def show(context: typer.Context, name: Name) -> None:
    """Explain a plugin, or a component and its options."""
    plugins = cast("Surroundings", context.obj).plugins()
    for plugin in plugins:
        if plugin.name == name:
            print(f"{plugin.name}, {plugin.origin}")
            _refuse_broken(plugin)
    for one in find(plugins, name):
        for line in explain(one, plugins.components):
            print(line)


def check(
    context: typer.Context, name: Name, simulator: Company = "tabletop", model: Company = "openvla"
) -> None:
    """Check that components keep the rules of their interfaces, with their default options."""
    plugins = cast("Surroundings", context.obj).plugins()
    for plugin in plugins:
        if plugin.name == name:
            _refuse_broken(plugin)
    companions = Companions(
        _only(plugins, f"simulator:{simulator}").make(), _only(plugins, f"model:{model}").make()
    )
    verdicts = {str(one): _verdict(one, companions) for one in find(plugins, name)}
    for one, verdict in verdicts.items():
        print(f"{one}: {verdict}")
    broken = [one for one, verdict in verdicts.items() if verdict not in PASSED]
    if broken:
        raise PluginError(f"{', '.join(broken)} must be repaired, see above")


def _record(plugin: Plugin) -> dict[str, object]:
    return {
        "name": plugin.name,
        "origin": plugin.origin,
        "provides": list(plugin.provides),
        "error": _said(plugin.error) if plugin.error else None,
    }


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _only(plugins: Plugins, name: str) -> Named:
    return find(plugins, name)[0]


def _verdict(one: Named, companions: Companions) -> str:
    check_one = check_of(one.registry.kind, companions)
    if check_one is None:
        return UNCHECKED
    if one.needs_options:
        return UNMADE
    try:
        check_one(one.make())
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises is the verdict on it
        return str(error) if isinstance(error, AssertionError) else _said(error)
    return OK


def _refuse_broken(plugin: Plugin) -> None:
    if plugin.error is not None:
        raise PluginError(f"plugin {plugin.name!r} failed to load: {_said(plugin.error)}")
