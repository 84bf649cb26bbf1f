"""The workers of a manifest as objects of this process, to be timed one call after the other."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from rlvla.core.generator import Generator, shapes_of
from rlvla.core.placement import Placement
from rlvla.core.planning.size import last_phase
from rlvla.core.run import job_of
from rlvla.core.runtime.build import layout_of
from rlvla.core.segment import Segment
from rlvla.core.shard import Shard
from rlvla.core.slots import FreeSlots, Slots
from rlvla.core.starts import Starts, noise_seed
from rlvla.core.trainer import Trainer
from rlvla.core.types import Request
from rlvla.core.weights import Weights, weights_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Generator as Generated

    from rlvla.core.settings import Manifest
    from rlvla.core.types import Outcome, Start


class Workbench:
    """One simulator worker, one generator, and trainers, over the same policy and rows."""

    def __init__(self, manifest: Manifest, decisions: int) -> None:
        import torch

        torch.set_num_threads(1)  # as workers do
        phase = last_phase(manifest)
        lanes = manifest.assignment.shards[0]
        rows = 2 * (decisions + len(lanes)) + 2
        self.job = replace(job_of(manifest, phase), slots=rows, placement=Placement())
        layout = layout_of(self.job)
        self.slots = Slots(layout, rows, bytearray(layout.row_bytes * rows))
        self.free = FreeSlots(rows)
        self.starts = Starts(manifest.simulator.tasks, seed=manifest.seed)
        self.lanes = [lane for lane in lanes if lane < manifest.simulator.lanes]
        self.shard = Shard(self.job.simulator, self.lanes, self.slots)
        self._policy = self.job.model.build(self.job.simulator.spec, seed=self.job.seed)
        shapes = shapes_of(self._policy.module)
        self._weights = Weights(shapes, bytearray(weights_bytes(shapes)))
        self.version = -1
        with self.trainer(self.job.algorithm.micro_batch_size) as trainer:
            self.publish(trainer)
        self.generator = Generator(self._policy, self.slots, self._weights)

    def publish(self, trainer: Trainer) -> float:
        """Publish the next version; return the seconds that it took."""
        self.version += 1
        return timed(lambda: trainer.publish(self.version).result())

    @contextmanager
    def trainer(self, size: int) -> Generated[Trainer]:
        """Make a trainer that sees two micro-batches of so many decisions per optimizer step."""
        options = cast("Any", self.job.algorithm)  # a component is a dataclass
        sizes = {"batch_size": 2 * size, "micro_batch_size": size, "epochs": 1, "minibatches": 1}
        if options.grouping is not None:
            sizes["group_size"] = 2
        algorithm = replace(options, **sizes)
        trainer = Trainer(self._policy, algorithm, self.slots, self._weights, seed=self.job.seed)
        try:
            yield trainer
        finally:
            trainer.close()

    def start(self) -> Start:
        """Return the next start of an episode."""
        return self.starts.next()[1]

    def request(self, lane: int, slot: int) -> Request:
        """Return what `lane` asks."""
        seed = noise_seed(self.job.seed, lane, slot)
        return Request(lane, slot, seed, self.job.algorithm.temperature)

    def decide(self, requests: Sequence[Request]) -> None:
        """Have the generator decide."""
        self.generator.act(requests, version=self.version, rows=len(requests))

    def segments(self, walk: Walk, size: int) -> list[Segment]:
        """Return segments of `size` decisions in all, from those of a walk, as often as needed."""
        slots = (walk.slots * -(-size // len(walk.slots)))[:size]
        bootstrap = (walk.bootstrap * -(-size // len(walk.slots)))[:size]
        return [
            Segment(walk.lane, (slot,), (after,), (self.version,))
            for slot, after in zip(slots, bootstrap, strict=True)
        ]

    def close(self) -> None:
        """End the simulator."""
        self.shard.close()


class Walk:
    """What a lane went through: slots of decisions and of the observations after them."""

    def __init__(self, lane: int) -> None:
        self.lane = lane
        self.slot = -1
        """Of the present observation; -1 between episodes."""
        self.slots: list[int] = []
        self.bootstrap: list[int] = []

    def note(self, into: int, outcome: Outcome) -> None:
        """Note that the decision in `slot` was executed, with the observation `into` after it."""
        self.slots.append(self.slot)
        self.bootstrap.append(-1 if outcome.terminated else into)
        self.slot = -1 if outcome.done else into


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
