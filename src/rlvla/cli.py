"""The command line: what its commands are, what they take from outside, how errors are told."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated, cast

import typer

import rlvla
from rlvla.commands import doctor, export, manifests, plan, plugins, profile, run, sim, trace
from rlvla.commands.surroundings import Surroundings
from rlvla.core.errors import ManifestError, RlvlaError

SWITCH = "RLVLA_PLUGINS"
"""Environment variable: installed plugins to load, by name and comma; empty: none; unset: all."""

STOPPED = 75
"""Exit code of a run that was stopped and can be resumed: EX_TEMPFAIL of sysexits.h."""

Version = Annotated[bool, typer.Option("--version", help="Print the version and exit.")]


def app() -> typer.Typer:
    """Return the application with rlvla's own commands."""
    made = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help=rlvla.__doc__,
    )
    made.callback(invoke_without_command=True)(_options)
    runs = (run.run, run.resume, run.report, trace.trace, plan.plan, profile.profile, export.export)
    for command in (*runs, manifests.validate, manifests.show, doctor.doctor):
        made.command()(command)
    made.command("eval")(run.evaluate)
    noun = typer.Typer(no_args_is_help=True, help="List, explain and check plugins.")
    noun.command("list")(plugins.list_)
    noun.command()(plugins.show)
    noun.command()(plugins.check)
    made.add_typer(noun, name="plugins")
    noun = typer.Typer(no_args_is_help=True, help="Make environments for simulators.")
    noun.command("list")(sim.list_)
    noun.command()(sim.install)
    made.add_typer(noun, name="sim")
    return made


def main() -> None:
    """Run one command; the only place where errors become lines and exit codes."""
    surroundings = Surroundings(os.environ, _only(os.environ.get(SWITCH)))
    try:
        _complete(app(), sys.argv[1:], surroundings)(obj=surroundings)
    except Exception as error:
        told = _told(error)
        if told is None:
            raise
        line, code = told
        if code == STOPPED:
            _ignore_signals()
        print(line, file=sys.stderr)
        sys.exit(code)


def _options(context: typer.Context, *, version: Version = False) -> None:
    if version:
        print(f"rlvla {rlvla.__version__}")
        raise typer.Exit
    del context


def _only(switch: str | None) -> frozenset[str] | None:
    if switch is None:
        return None
    return frozenset(name.strip() for name in switch.split(",") if name.strip())


def _complete(own: typer.Typer, arguments: list[str], surroundings: Surroundings) -> typer.Typer:
    """Add the commands of plugins, unless the command is one of our own."""
    names = {one.name or getattr(one.callback, "__name__", "") for one in own.registered_commands}
    names |= {str(one.name) for one in own.registered_groups}
    if not (arguments and arguments[0] in names):
        surroundings.plugins().hook.add_commands(app=own)
    return own


def _told(error: BaseException) -> tuple[str, int] | None:
    """Return the line and exit code of an error that is not a bug."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return next(filter(None, map(_told, group.exceptions)), None)
    if isinstance(error, ManifestError):
        return str(error), error.exit_code
    if isinstance(error, RlvlaError):
        return f"rlvla: error[{error.exit_code}]: {error}", error.exit_code
    if _is_stop(error):
        return f"rlvla: {error}", STOPPED
    return None


def _ignore_signals() -> None:
    """Let the exit code stand, whatever impatience still sends while the process ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _is_stop(error: BaseException) -> bool:
    module = sys.modules.get("rlvla.core.run")  # not loaded: nothing ran that could be stopped
    return module is not None and isinstance(error, module.StoppedError)
