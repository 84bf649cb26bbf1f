"""Measures how long the components of a manifest take on this machine."""

from __future__ import annotations

import platform
import statistics
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from rlvla.core.component import options_of
from rlvla.core.latency import Curve, Latencies, Latency, Publish
from rlvla.core.planning.line import fitted
from rlvla.core.planning.workbench import Walk, Workbench, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rlvla.core.settings import Manifest
    from rlvla.core.trainer import Trainer
    from rlvla.core.types import Outcome


def profile(
    manifest: Manifest, *, samples: int, repeats: int, tell: Callable[[str], None]
) -> Latencies:
    """Measure simulator, policy, training and publication of a manifest, in this process.

    `samples` steps of simulation; each batch size `repeats` times. `tell` gets a line for
    everything that is measured. A simulator worker has the machine to itself meanwhile.
    """
    lanes = len(manifest.assignment.shards[0])
    bench = Workbench(manifest, max(samples, 2 * lanes))
    try:
        return _Profile(manifest, bench, samples, repeats, tell).latencies()
    finally:
        bench.close()


@dataclass
class _Profile:
    manifest: Manifest
    bench: Workbench
    samples: int
    repeats: int
    tell: Callable[[str], None]
    resets: list[float] = field(default_factory=list[float])
    steps: list[float] = field(default_factory=list[float])

    def latencies(self) -> Latencies:
        """Measure everything, one after the other."""
        walk = self._walk()
        batch = self._batches() if self._batched else None
        generator = self._generator()
        trainer, update_s, publish_s = self._trainer(walk)
        return Latencies(
            step=Latency(samples_ms=_milliseconds(self.steps)),
            reset=Latency(samples_ms=_milliseconds(self.resets)),
            batch=batch,
            generator=generator,
            trainer=trainer,
            update_ms=round(1000 * update_s, 4),
            publish=Publish(base_ms=round(1000 * publish_s, 4)),
            source=f"{self.manifest.name} on {platform.machine()} {platform.node()}, "
            f"{time.strftime('%Y-%m-%d')}, {self.samples} steps, {self.repeats} repeats",
        )

    def _walk(self) -> Walk:
        """Take one lane through episodes."""
        bench = self.bench
        walk = Walk(bench.lanes[0])
        for _ in range(self.samples):
            if walk.slot < 0:
                self._reset(walk)
            bench.decide([bench.request(walk.lane, walk.slot)])
            self._step(walk)
        self.tell(f"reset: {_told(self.resets)}")
        self.tell(f"step: {_told(self.steps)}")
        return walk

    def _reset(self, walk: Walk) -> None:
        bench = self.bench
        walk.slot = bench.free.take()
        reset = partial(bench.shard.reset, walk.lane, bench.start(), walk.slot)
        if self._batched:
            beginning = (walk.lane, bench.start(), walk.slot)
            reset = partial(bench.shard.reset_batch, [beginning])
        self.resets.append(timed(reset))

    def _step(self, walk: Walk) -> None:
        shard, outcomes = self.bench.shard, list["Outcome"]()
        move = (walk.lane, walk.slot, self.bench.free.take())

        def step() -> None:
            outcomes.extend(shard.step_batch([move]) if self._batched else [shard.step(*move)])

        self.steps.append(timed(step))
        walk.note(move[-1], outcomes[0])

    @property
    def _batched(self) -> bool:
        return self.manifest.simulator.spec.batched

    def _batches(self) -> Curve:
        """Step parts of the lanes at once, and all of them; each time from new episodes."""
        bench, seconds = self.bench, dict[int, float]()
        begin = {lane: bench.free.take() for lane in bench.lanes}
        then = {lane: bench.free.take() for lane in bench.lanes}
        for size in sizes(len(bench.lanes)):
            lanes, times = bench.lanes[:size], list[float]()
            for _ in range(self.repeats):
                bench.shard.reset_batch([(lane, bench.start(), begin[lane]) for lane in lanes])
                bench.decide([bench.request(lane, begin[lane]) for lane in lanes])
                moves = [(lane, begin[lane], then[lane]) for lane in lanes]
                times.append(timed(partial(bench.shard.step_batch, moves)))
            seconds[size] = statistics.median(times)
        return self._curve("simulator batch", seconds)

    def _generator(self) -> Curve:
        bench = self.bench
        walk = Walk(bench.lanes[0])
        self._reset(walk)
        most = max(map(len, self.manifest.assignment.served))
        most = min(most, options_of(self.manifest.batching).get("max_batch", most))
        seconds: dict[int, float] = {}
        for size in sizes(most):
            act = partial(bench.decide, [bench.request(walk.lane, walk.slot)] * size)
            act()  # the first call of a size may allocate or compile
            seconds[size] = statistics.median(timed(act) for _ in range(self.repeats))
        return self._curve("generator", seconds)

    def _trainer(self, walk: Walk) -> tuple[Curve, float, float]:
        """Return the time of micro-batches, and seconds of an update and a publication."""
        passes: dict[int, float] = {}
        updates: list[float] = []
        published: list[float] = []
        for size in sizes(self.bench.job.algorithm.micro_batch_size):
            with self.bench.trainer(size) as trainer:
                rounds = [self._round(trainer, walk, size) for _ in range(1 + self.repeats)]
                passes[size] = statistics.median(one for one, _ in rounds[1:])
                updates += [max(0.0, rest) for _, rest in rounds[1:]]
                published += [self.bench.publish(trainer) for _ in range(self.repeats)]
        self.tell(f"update: {_told(updates)}")
        self.tell(f"publication: {_told(published)}")
        curve = self._curve("trainer", passes)
        return curve, statistics.median(updates), statistics.median(published)

    def _round(self, trainer: Trainer, walk: Walk, size: int) -> tuple[float, float]:
        """Return the seconds of a forward and backward pass, and what a step adds to another.

        The second micro-batch completes the batch, so that its call also takes the step.
        """
        accumulate = partial(trainer.accumulate, self.bench.segments(walk, size))
        first = timed(accumulate)
        return first, timed(accumulate) + timed(trainer.step) - first

    def _curve(self, name: str, seconds: Mapping[int, float]) -> Curve:
        curve = fitted(seconds)
        told = ", ".join(f"{size}: {1000 * took:.3g}" for size, took in seconds.items())
        self.tell(
            f"{name}: {curve.base_ms:.3g} ms + {curve.per_sample_ms:.3g} ms per sample; "
            f"milliseconds by size: {told}"
        )
        return curve


def sizes(most: int) -> list[int]:
    """Return 1, 2, 4 ... and `most`."""
    return [1 << power for power in range(most.bit_length()) if 1 << power < most] + [most]


def _milliseconds(seconds: list[float]) -> tuple[float, ...]:
    return tuple(round(1000 * one, 4) for one in seconds)


def _told(seconds: list[float]) -> str:
    middle, most = statistics.median(seconds), max(seconds)
    return f"median {1000 * middle:.3g} ms, at most {1000 * most:.3g} ms ({len(seconds)} times)"
