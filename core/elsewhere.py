"""A simulator that runs in another Python environment, as this one sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - read at run time as the type of an option
from typing import TYPE_CHECKING, Any

from rlvla.core.component import OptionError, build, describe
from rlvla.core.errors import PluginError, PreflightError
from rlvla.core.interfaces import Simulator  # noqa: TC001 - as Path
from rlvla.core.runtime.asking import ask
from rlvla.core.runtime.interpreter import interpreter_for
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
            "simulator.python needs a worker process, which only a run with "
            "`runtime: {type: local}` has: say that of a run, or leave simulator.python out"
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
    try:
        told = ask(simulator, python, within=within)
    except (PreflightError, PluginError) as error:
        raise type(error)(f"simulator.python: {error}") from error
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


def _refuse(kind: str, message: str, python: Path) -> None:
    if kind == "option":
        raise OptionError(message)
    if kind == "import":
        raise PreflightError(
            f"simulator.python: the environment {python} lacks what the simulator needs: {message}"
        )
    raise PluginError(f"simulator.python: the simulator failed in {python}: {message}")
