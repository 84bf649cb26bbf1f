"""A simulator that runs in another Python environment, as this one sees it."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - read at run time as the type of an option
from typing import TYPE_CHECKING, Any

from rlvla.core.component import OptionError, build, describe
from rlvla.core.errors import PluginError, PreflightError
from rlvla.core.interfaces import Simulator  # noqa: TC001 - as Path
from rlvla.core.memory import SharedMemory
from rlvla.core.runtime.guest import UNFIT
from rlvla.core.runtime.interpreter import interpreter_for
from rlvla.core.runtime.process import environment
from rlvla.core.types import SimulatorSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rlvla.core.runtime.interpreter import Interpreter
    from rlvla.core.types import Observation, Start, StepResult


@dataclass(kw_only=True)
class Elsewhere:
    """The manifest's `simulator` where it says `python`: what it said of itself in there.

    What it has beside the contract, such as an expert, is known without starting it.
    """

    simulator: Simulator
    """That runs there."""
    python: Path
    """An environment, or the interpreter in it."""
    spec: SimulatorSpec
    tasks: tuple[str, ...]
    lanes: int
    """Lanes that train."""

    @property
    def interpreter(self) -> Interpreter:
        """What runs it."""
        return interpreter_for(self.python, describe(self.simulator))

    def start(self, lanes: int) -> None:
        """Refuse: only a worker process can have another interpreter."""
        del lanes
        raise PluginError(
            "simulator.python needs workers that are processes of their own: "
            "say `runtime: {type: local}`, or leave it out"
        )

    def reset(self, lane: int, start: Start) -> Observation:
        """Begin an episode; see `Simulator.reset`."""
        return self.simulator.reset(lane, start)

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        """Execute a chunk; see `Simulator.step`."""
        return self.simulator.step(lane, actions)

    def close(self) -> None:
        """Release nothing: it was not started here."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the simulator has
        if name.startswith("_"):  # a copy asks before it has a simulator
            raise AttributeError(name)
        return getattr(self.simulator, name)


def elsewhere(simulator: Simulator, python: Path, *, within: float) -> Elsewhere:
    """Ask a simulator in its own interpreter what it is; that may take so many seconds.

    Raise OptionError for what it refuses of its options, PreflightError if the environment is not
    there or not fit, PluginError if the simulator fails in there.
    """
    described = describe(simulator)
    told = _told(interpreter_for(python, described), described, within)
    if "error" in told:
        kind, message = told["error"]
        _refuse(kind, message, python)
    return Elsewhere(
        simulator=simulator,
        python=python,
        spec=build(SimulatorSpec, told["spec"]),
        tasks=tuple(told["tasks"]),
        lanes=simulator.lanes,
    )


def _told(interpreter: Interpreter, described: dict[str, Any], within: float) -> dict[str, Any]:
    with closing(SharedMemory(0, "answer")) as answer:
        command = interpreter.command(
            "rlvla.core.runtime.inquiry", json.dumps(described), str(answer.fd)
        )
        _run(command, answer.fd, within)
        size = os.fstat(answer.fd).st_size
        told: dict[str, Any] = json.loads(os.pread(answer.fd, size, 0))
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
        raise PreflightError(f"simulator.python: {command[0]} cannot be run: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise PluginError(
            f"simulator.python: the simulator passed its start time-out of {within:g} s "
            f"in {command[0]}"
        ) from error
    last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no last words"])[-1]
    if done.returncode == UNFIT:
        raise PreflightError(f"simulator.python: {command[0]} cannot run simulators: {last}")
    if done.returncode:
        raise PluginError(
            f"simulator.python: {command[0]} ended with exit code {done.returncode}: {last}"
        )


def _refuse(kind: str, message: str, python: Path) -> None:
    if kind == "option":
        raise OptionError(message)
    if kind == "import":
        raise PreflightError(
            f"simulator.python: the environment {python} lacks what the simulator needs: {message}"
        )
    raise PluginError(f"simulator.python: the simulator failed in {python}: {message}")
