"""Asking a simulator something in a process of its own, which may do whatever it likes."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Any

from rlvla.core.component import describe
from rlvla.core.errors import PluginError, PreflightError
from rlvla.core.memory import SharedMemory
from rlvla.core.runtime.guest import UNFIT
from rlvla.core.runtime.interpreter import interpreter_for, own_command
from rlvla.core.runtime.process import environment

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.interfaces import Simulator


def ask(simulator: Simulator, python: Path | None, *options: str, within: float) -> dict[str, Any]:
    """Return what `inquiry` answers for a simulator, in another interpreter if one is named.

    That may take so many seconds. Raise PreflightError if there is no such interpreter or it is
    not fit, PluginError if the process ends without an answer or stays silent.
    """
    described = describe(simulator)
    command = own_command if python is None else interpreter_for(python, described).command
    with closing(SharedMemory(0, "answer")) as answer:
        arguments = (json.dumps(described), str(answer.fd), *options)
        _run(command("rlvla.core.runtime.inquiry", *arguments), answer.fd, within)
        told: dict[str, Any] = json.loads(os.pread(answer.fd, os.fstat(answer.fd).st_size, 0))
        return told


def _run(command: list[str], answer: int, within: float) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=[answer],
            env=environment(os.environ),
            timeout=within,
            check=False,
        )
    except OSError as error:
        raise PreflightError(f"{command[0]} cannot be run: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise PluginError(
            f"the simulator passed its start time-out of {within:g} s in {command[0]}"
        ) from error
    last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no last words"])[-1]
    if done.returncode == UNFIT:
        raise PreflightError(f"{command[0]} cannot run simulators: {last}")
    if done.returncode or not os.fstat(answer).st_size:
        raise PluginError(f"{command[0]} ended with exit code {done.returncode}: {last}")
