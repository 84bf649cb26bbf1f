"""Simulators: what owns lanes and steps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rlvla.core.protocol import EvaluationProtocol
    from rlvla.core.types import Observation, SimulatorSpec, Start, StepResult


class Simulator(Protocol):
    """A backend that owns lanes and steps them; used by one thread of one process.

    It never resets a lane by itself: after an episode's end the next call for that lane is
    `reset`. Calls for different lanes come in any order and do not influence each other.
    """

    lanes: int
    """How many lanes a run trains on, over all shards."""

    @property
    def tasks(self) -> Sequence[str]:
        """Names of the tasks that episodes are drawn from."""
        ...

    @property
    def spec(self) -> SimulatorSpec:
        """What is shown and taken; available before `start` and without heavy imports."""
        ...

    def start(self, lanes: int) -> None:
        """Acquire what `lanes` lanes need; they are then numbered from 0."""
        ...

    def reset(self, lane: int, start: Start) -> Observation:
        """Begin an episode; may be called in the middle of another."""
        ...

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        """Execute a chunk of actions, float32 [C, D]."""
        ...

    def close(self) -> None:
        """Release everything; the simulator is not used again."""
        ...


class BatchSimulator(Simulator, Protocol):
    """A simulator whose `spec.batched` is true: it steps many lanes in one call.

    A call names lanes in any order, each once. Only lanes of a split are stepped together; the
    others keep their state.
    """

    def reset_batch(self, lanes: Sequence[int], starts: Sequence[Start]) -> Sequence[Observation]:
        """Begin an episode in each of these lanes."""
        ...

    def step_batch(
        self, lanes: Sequence[int], actions: NDArray[np.float32]
    ) -> Sequence[StepResult]:
        """Execute a chunk in each of these lanes, float32 [N, C, D]."""
        ...


class ExpertSimulator(Simulator, Protocol):
    """A simulator that also knows how its tasks are done."""

    def expert(self, lane: int) -> NDArray[np.float32]:
        """Return the scripted expert's next action for the lane's present state, float32 [D]."""
        ...


class PublishedSimulator(Simulator, Protocol):
    """A simulator for which success rates are published."""

    @property
    def protocols(self) -> Sequence[EvaluationProtocol]:
        """By which of these protocols it measures as it is set up; available before `start`.

        Their tasks may be others than `tasks`, if success is measured on tasks that are not
        trained; `reset` takes them, too. Its time limit is theirs.
        """
        ...


class PreparedSimulator(Simulator, Protocol):
    """A simulator that finds out once, for all its workers, what takes a while to find out."""

    def prepare(self) -> None:
        """Look at the machine, in the process that starts the workers, before it starts any.

        They inherit its environment variables. Raise RuntimeError that says what the machine lacks
        and what to do; what the interpreter lacks is said by `start`, as theirs may be another.
        """
        ...
