"""The trainer: how long its calls take with so many ranks, and what they leave behind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rlvla.core.runtime.virtual.resources import Rendezvous
from rlvla.core.runtime.virtual.work import Stage, Work
from rlvla.core.runtime.virtual.workers import Worker, nothing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.segment import Segment

STATE = "virtual.json"
FORWARD = 1 / 3
"""Share of the time of a forward and backward pass that the forward pass takes: the latter has
twice the operations (arXiv 2001.08361, section 2.1)."""


@dataclass(kw_only=True)
class Trainer(Worker):
    """The trainer, data-parallel over its ranks; see `core.trainer.Trainer`."""

    role: str = "trainer"
    version: int = -1
    """Of the weights that it holds; -1 before they have one."""
    _taken: int = 0
    """Decisions of the present batch."""
    _waiting: int = 0
    """Of them, those that no backward pass has seen."""
    _published: float = 0.0
    """When the present publication will be over."""

    def accumulate(self, segments: Sequence[Segment]) -> Work:
        """Train on as many whole micro-batches as there are for every rank."""
        for segment in segments:
            self.world.memories[segment.cell].train(segment)
            self.world.staleness.update(self.version - made for made in segment.versions)
            self._waiting += len(segment)
            self._taken += len(segment)
        rounds, self._waiting = divmod(self._waiting, self._round)
        return Work(self._passes(rounds), nothing)

    def foresee(self, segments: Sequence[Segment]) -> Work:
        """Score decisions that wait, in micro-batches."""
        for segment in segments:
            self.world.memories[segment.cell].foresee(
                segment, self.version - self.world.seen_within
            )
        rounds = -(-sum(map(len, segments)) // self._round)
        seconds = FORWARD * self.world.latencies.trainer.seconds(self.world.micro_batch_size)
        return Work([Stage(seconds, rounds)], nothing)

    def store(self, segments: Sequence[Segment]) -> Work:
        """Keep demonstrations."""
        for segment in segments:
            self.world.memories[segment.cell].train(segment)
        return Work([], nothing)

    def step(self) -> Work:
        """Finish the batch: what is left of the first epoch, then the others."""
        latencies = self.world.latencies
        each, rest = -(-self._waiting // len(self.claims)), self._waiting
        averaging = latencies.all_reduce_ms if len(self.claims) > 1 else 0.0
        descend = Stage(self.world.minibatches * (averaging + latencies.update_ms) / 1000)
        stages = [Stage(latencies.trainer.seconds(each))] if rest else []
        if self._published > self.world.units.loop.time():
            # It reads what the step changes. So averaging never shares the network with it: one
            # after the other they take as long as side by side over the same links.
            stages.append(Stage(until=self._published))
        beside = self._passes(self.world.minibatches * -(-self.world.demonstrated // self._round))
        stages += [*beside, descend]
        for _ in range(1, self.world.epochs):
            size = self._taken or self.world.batch_size  # demonstrations are there already
            stages += [*self._passes(-(-size // self._round)), *beside, descend]
        self._waiting = self._taken = 0
        return Work(stages, self._step)

    def publish(self, version: int) -> Work:
        """Send the weights to every cell: beside other work, or while everybody waits for it."""
        self.version = max(version, self.version)
        for memory in self.world.memories:
            memory.begin(version)
        publish = self.world.latencies.publish
        seconds = publish.seconds(len(self.world.memories))
        finish = partial(self._publish, version)
        if publish.blocking:
            receivers = [*self.world.generators.values()]
            meeting = Rendezvous(1 + len(receivers), seconds)
            for one in receivers:
                one.meet(meeting)
            return Work([Stage(meeting=meeting)], finish)
        self._published = self.world.units.loop.time() + seconds
        return Work([], finish, beside=seconds)

    def save(self, directory: str) -> Work:
        """Write next to nothing."""
        return Work([], partial(self._save, directory))

    def load(self, directory: str, version: int) -> Work:
        """Read it, and publish at once."""
        return Work([], partial(self._load, directory, version))

    @property
    def _round(self) -> int:
        return self.world.micro_batch_size * len(self.claims)

    def _passes(self, rounds: int) -> list[Stage]:
        seconds = self.world.latencies.trainer.seconds(self.world.micro_batch_size)
        return [Stage(seconds, rounds)] if rounds else []

    def _step(self) -> dict[str, float]:
        self.version += 1
        return {"loss": 0.0}

    def _publish(self, version: int) -> None:
        for memory in self.world.memories:
            memory.commit(version)

    def _save(self, directory: str) -> None:
        Path(directory, STATE).write_text(f'{{"version": {self.version}}}')

    def _load(self, directory: str, version: int) -> None:
        Path(directory, STATE).read_text()
        self.version = version
        for memory in self.world.memories:
            memory.begin(version)
            memory.commit(version)
