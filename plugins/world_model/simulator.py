"""The simulator `world_model`: episodes that a network imagines, many at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from rlvla.core.interfaces import Simulator  # noqa: TC001 - the type of an option, read at run time
from rlvla.core.protocol import EvaluationProtocol
from rlvla.plugins.models.directory import directory
from rlvla.plugins.world_model.description import differences, public, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rlvla.core.types import Observation, SimulatorSpec, Start, StepResult

T = TypeVar("T")

EPISODES = 200
"""Evaluation episodes that the original offers of each task."""


class Stage(Protocol):
    """Where episodes are played: in the network, or in the original."""

    def reset(self, lanes: Sequence[int], starts: Sequence[Start]) -> Sequence[Observation]:
        """Begin an episode in each of these lanes."""
        ...

    def step(self, lanes: Sequence[int], actions: NDArray[np.float32]) -> Sequence[StepResult]:
        """Execute a chunk in each of these lanes, float32 [N, C, D]."""
        ...

    def close(self) -> None:
        """Release all that it takes."""
        ...


@dataclass
class WorldModel:
    """A network that learned what another simulator shows and pays; a `BatchSimulator`.

    Training episodes are imagined, from beginnings that were recorded in the original. Evaluation
    episodes are played in the original, so that success is never the network's opinion; where it
    is not at hand, they are imagined from recorded beginnings that training never sees.
    """

    checkpoint: str = "rlvla:tabletop_world"
    """Directory that `rlvla world` wrote; `rlvla:NAME` is one that ships here."""
    original: Simulator | None = None
    """The simulator that was recorded, to evaluate in."""
    lanes: int = 16
    """Lanes of the run."""
    certainty: float = 0.9
    """How sure the network must be of success to end an episode with it, in (0, 1): what it
    grants too easily, the policy learns to be content with."""
    device: str = "cpu"
    """Where the network computes: a device of torch."""

    def __post_init__(self) -> None:
        if self.lanes < 1:
            raise ValueError(f"lanes must be at least 1, got {self.lanes}")
        if not 0 < self.certainty < 1:
            raise ValueError(f"certainty must be in (0, 1), got {self.certainty}")
        try:
            self._folder = directory(self.checkpoint)
        except FileNotFoundError as error:
            raise ValueError(f"{error}; `rlvla world` makes one") from None
        self._description = read(self._folder)
        self._check_original()
        self._count = 0
        self._imagined: Stage | None = None
        self._real: Stage | None = None
        self._stages: dict[int, Stage] = {}

    @property
    def tasks(self) -> Sequence[str]:
        """Those that were recorded."""
        return self._description.tasks

    @property
    def spec(self) -> SimulatorSpec:
        """That of the original, without what only training sees of it."""
        return self._description.spec

    @property
    def protocols(self) -> Sequence[EvaluationProtocol]:
        """The original's held-out starts, under the name that they have in its own runs."""
        if self.original is None:
            return ()
        return (
            EvaluationProtocol(
                name=f"{self._description.simulator}/{'+'.join(self.tasks)}@v1",
                tasks=(*self.tasks,),
                episodes=EPISODES,
                max_steps=self.spec.max_steps,
            ),
        )

    def prepare(self) -> None:
        """Have the original look at the machine, if it is at hand and does so."""
        prepare: Callable[[], None] | None = getattr(self.original, "prepare", None)
        if prepare is not None:
            prepare()

    def start(self, lanes: int) -> None:
        """Load the network; the original is started by the first episode that is played there."""
        from rlvla.plugins.world_model.imagination import Imagination

        self._count = lanes
        self._imagined = Imagination(
            self._folder, self._description, lanes, certainty=self.certainty, device=self.device
        )

    def reset(self, lane: int, start: Start) -> Observation:
        """Begin an episode."""
        return self.reset_batch([lane], [start])[0]

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        """Execute a chunk of actions, float32 [C, D]."""
        return self.step_batch([lane], actions[None])[0]

    def reset_batch(self, lanes: Sequence[int], starts: Sequence[Start]) -> Sequence[Observation]:
        """Begin an episode in each of these lanes."""
        for lane, start in zip(lanes, starts, strict=True):
            self._stages[lane] = self._stage(start)
        return self._each(lanes, lambda stage, at: stage.reset(_of(lanes, at), _of(starts, at)))

    def step_batch(
        self, lanes: Sequence[int], actions: NDArray[np.float32]
    ) -> Sequence[StepResult]:
        """Execute a chunk in each of these lanes, float32 [N, C, D], in one call of the network
        for each action of the chunk."""
        return self._each(lanes, lambda stage, at: stage.step(_of(lanes, at), actions[at]))

    def close(self) -> None:
        """Release the network and the original."""
        for stage in (self._imagined, self._real):
            if stage is not None:
                stage.close()
        self._imagined = self._real = None
        self._stages.clear()

    def _stage(self, start: Start) -> Stage:
        if self._imagined is None:
            raise RuntimeError("world_model is not started; call start(lanes) first")
        if self.original is None or start.split == "train":
            return self._imagined
        if self._real is None:
            from rlvla.plugins.world_model.original import Original

            self._real = Original(self.original, self._count)
        return self._real

    def _each(
        self, lanes: Sequence[int], ask: Callable[[Stage, list[int]], Sequence[T]]
    ) -> list[T]:
        """Ask every stage for its part of the lanes; return the answers in the lanes' order."""
        answers: dict[int, T] = {}
        stages = [self._stages[lane] for lane in lanes]
        for stage in dict.fromkeys(stages):
            at = [place for place, one in enumerate(stages) if one is stage]
            answers |= zip(at, ask(stage, at), strict=True)
        return [answers[place] for place in range(len(lanes))]

    def _check_original(self) -> None:
        if self.original is None:
            return
        found = public(self.original.spec)
        faults = [*differences(found, self.spec)]
        if (*self.original.tasks,) != self.tasks:
            faults.append(f"tasks {[*self.original.tasks]} instead of {[*self.tasks]}")
        if faults:
            raise ValueError(
                f"original is not what checkpoint {self.checkpoint} was recorded in: "
                f"it has {'; '.join(faults)}"
            )


def _of(items: Sequence[T], at: Sequence[int]) -> list[T]:
    return [items[place] for place in at]
