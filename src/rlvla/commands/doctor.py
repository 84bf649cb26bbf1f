"""The command that says what works on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rlvla.core.diagnosis import Diagnosis
from rlvla.core.errors import PreflightError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlvla.commands.surroundings import Surroundings
    from rlvla.core.plugins import Plugins

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
MARKS = {True: "ok", False: "NO", None: "-"}


def doctor(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Say what works on this machine, how fast it draws, and what to do about the rest.

    Renderers and simulators are tried out, with default options, in processes of their own; a
    simulator in the environment that `rlvla sim install` made for it, if it is there. The exit
    code is 0 if the quick-start can run, else 4. Nothing is changed and nothing downloaded.
    """
    surroundings = cast("Surroundings", context.obj)
    found = list[Diagnosis]()
    for one in _diagnoses(surroundings):
        if not as_json:
            _print(one, is_first=not found or one.part != found[-1].part)
        found.append(one)
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    from rlvla.commands.quickstart import PART

    failed = [one.name for one in found if one.part == PART and one.works is False]
    if failed:
        raise PreflightError(f"the quick-start cannot run: {', '.join(failed)}, see above")
    if not as_json:
        print("\nThe quick-start can run: `rlvla run quickstart`.")


def _diagnoses(surroundings: Surroundings) -> Iterator[Diagnosis]:
    from rlvla.commands.machine import machine
    from rlvla.commands.quickstart import quickstart
    from rlvla.commands.trials import simulators

    plugins = surroundings.plugins()
    yield from machine()
    yield from chain.from_iterable(plugins.hook.diagnose())
    yield from simulators(plugins, surroundings)
    yield from _broken(plugins)
    yield from quickstart(plugins, surroundings)


def _broken(plugins: Plugins) -> Iterator[Diagnosis]:
    for plugin in plugins:
        if plugin.error is not None:
            yield Diagnosis(
                part="plugins",
                name=plugin.name,
                works=False,
                told=" ".join(f"{plugin.origin}: {plugin.error}".split()),
                advice="repair it or uninstall it",
            )


def _print(one: Diagnosis, *, is_first: bool) -> None:
    if is_first:
        print(f"{one.part}:")
    print(f"  {one.name:10} {MARKS[one.works]:2}  {one.told}", flush=True)
    if one.works is False and one.advice:
        print(f"  {'':10}     -> {one.advice}", flush=True)
