"""Commands that list, explain and check plugins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from rlvla.commands.surroundings import Surroundings
    from rlvla.core.plugins import Plugin

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


def _record(plugin: Plugin) -> dict[str, object]:
    return {
        "name": plugin.name,
        "origin": plugin.origin,
        "provides": list(plugin.provides),
        "error": _said(plugin.error) if plugin.error else None,
    }


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
