"""Workers as the pipeline sees them, whoever they are: what a runtime makes and from what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from rlvla.core.placement import Placement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rlvla.core.interfaces import Algorithm, Model, Simulator
    from rlvla.core.segment import Segment
    from rlvla.core.types import Acted, Array, Outcome, Request, Start


Move: TypeAlias = tuple[int, int, int]
"""Lane, slot of its decision, slot for what follows."""

Beginning: TypeAlias = "tuple[int, Start, int]"
"""Lane, start of its episode, slot for the first observation."""


class ShardWorker(Protocol):
    """The pipeline's view of a simulator worker: it steps the lanes of one shard.

    Every call raises `LaneLostError` if the episode of the lane is lost (worker died or hung,
    simulator raised or broke its contract); the next `reset` of the lane then waits until the
    worker is ready again.
    """

    lanes: Sequence[int]
    """The run's numbers of the lanes."""

    async def reset(self, lane: int, start: Start, *, into: int) -> None:
        """Begin an episode and write its first observation into slot `into`."""
        ...

    async def step(self, lane: int, slot: int, *, into: int) -> Outcome:
        """Execute the actions in `slot`, write their results there and what follows into `into`."""
        ...

    async def demonstrate(self, lane: int, slot: int, *, into: int) -> Outcome:
        """Like `step`, but let the simulator's expert choose the actions and write them first."""
        ...

    async def replay(self, lane: int, start: Start, slots: Sequence[int], *, into: int) -> None:
        """Begin an episode, execute the actions in `slots` one after the other, and write only
        what follows into slot `into`."""
        ...

    async def reset_batch(self, beginnings: Sequence[Beginning]) -> None:
        """Like `reset` for many lanes at once, which share their fate; for batched simulators."""
        ...

    async def step_batch(self, moves: Sequence[Move]) -> Sequence[Outcome]:
        """Like `step` for many lanes at once, which share their fate; for batched simulators."""
        ...


class GeneratorWorker(Protocol):
    """The pipeline's view of a generator."""

    async def act(self, requests: Sequence[Request], *, version: int, rows: int) -> Acted:
        """Decide for each request, in its slot; return the version of the weights that did.

        That version is at least `version`, one for all requests of the call, and the one that
        they name, if they do. Each forward pass has `rows` rows: one that is padded, if they
        suffice for all requests, else as many as it takes.
        """
        ...


class TrainerWorker(Protocol):
    """The pipeline's view of the trainer."""

    async def accumulate(self, segments: Sequence[Segment]) -> None:
        """Add the gradient of these decisions to the batch; they are copied out of their slots."""
        ...

    async def foresee(self, segments: Sequence[Segment]) -> None:
        """Look at decisions of later batches, all of one version, before the weights change.

        What came of them may not be there yet. They stay in their slots.
        """
        ...

    async def store(self, segments: Sequence[Segment]) -> None:
        """Keep these decisions as demonstrations."""
        ...

    async def step(self) -> Mapping[str, float]:
        """Finish the batch with one optimizer step, or one per epoch; return metrics."""
        ...

    async def publish(self, version: int) -> None:
        """Make the present weights visible to the generators as `version`.

        Goes on beside the calls that follow; returns when the generators can see all of it.
        """
        ...

    async def save(self, directory: str) -> None:
        """Write weights, optimizer and all other training state into an existing directory."""
        ...

    async def load(self, directory: str, version: int) -> None:
        """Restore what `save` wrote and publish it as `version`."""
        ...


class Rows(Protocol):
    """The shared rows of a cell, as the event loop sees them; see `slots.Slots`."""

    count: int

    def read(self, slots: Sequence[int], *parts: str) -> dict[str, Array]:
        """Return copies of the fields of these parts, stacked like `slots`."""
        ...


@dataclass(frozen=True)
class Cell:
    """Simulators and generators that share the memory of one machine."""

    shards: Sequence[ShardWorker]
    generators: Sequence[GeneratorWorker]
    slots: Rows


@dataclass(frozen=True)
class Workers:
    """What a runtime hands to the pipeline: cells, and the one trainer of all."""

    cells: Sequence[Cell]
    trainer: TrainerWorker
    used: Callable[[], Mapping[str, float]] = dict
    """Seconds that each resource which is used in turns was in use, by name."""
    replaced: Mapping[str, int] = field(default_factory=dict[str, int])
    """Simulator workers that others took the place of, by why; it goes on counting."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a runtime needs to make the workers of one phase."""

    simulator: Simulator
    model: Model
    algorithm: Algorithm
    lanes: Sequence[Sequence[int]]
    """The lanes of each shard."""
    generators: int = 1
    """How many generators serve them."""
    placement: Placement = field(default_factory=Placement)
    """What each group of workers runs on."""
    slots: int
    """How many rows the shared memory holds."""
    seed: int
    max_staleness: int = 0
    """Most versions that a decision may be behind when it is trained on."""
    banks: int = 2
    """How many versions of the weights the shared memory holds."""
    weights: str | None = None
    """Directory that an earlier phase's trainer saved; the policy starts from it."""
