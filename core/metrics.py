"""What a run measures between two rows of its log."""

from __future__ import annotations

from collections import Counter, deque
from types import MappingProxyType
from typing import TYPE_CHECKING

from rlvla.core.clock import now
from rlvla.core.gauge import Gauge
from rlvla.core.paces import Paces

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rlvla.core.trace import Tracer


RECENT = 100
"""Finished episodes, however long ago, that `rollout/reward_recent` is the mean of."""


class Metrics:
    """Collects what lanes, batcher and trainer report, and empties itself into rows."""

    def __init__(
        self,
        shards: int,
        generators: int = 1,
        *,
        used: Callable[[], Mapping[str, float]] = dict,
        replaced: Mapping[str, int] = MappingProxyType({}),
        tracer: Tracer | None = None,
    ) -> None:
        self.simulators = [Gauge(tracer, number) for number in range(shards)]
        self.generators = [Gauge(tracer) for _ in range(generators)]
        self.trainer = Gauge(tracer)
        self.paces = Paces()
        self._used = used
        self._replaced = replaced
        self._used_before = used()
        self._steps = 0
        self._since = now()
        self._episodes: list[tuple[bool, int, float]] = []
        self._rewards: deque[float] = deque(maxlen=RECENT)
        self._staleness: Counter[int] = Counter()
        self._batches: list[int] = []

    def episode(self, *, success: bool, steps: int, reward: float) -> None:
        """Count a finished training episode."""
        self._episodes.append((success, steps, reward))
        self._rewards.append(reward)

    def step(self, actions: int) -> None:
        """Count actions that a training lane executed."""
        self._steps += actions

    def trained(self, version: int, versions: tuple[int, ...]) -> None:
        """Count the staleness of decisions that reach the trainer at `version`."""
        self._staleness.update(version - made for made in versions)

    def batch(self, size: int) -> None:
        """Count a batch that the generator served."""
        self._batches.append(size)

    def row(self) -> dict[str, float]:
        """Return everything since the last row and start anew.

        Only how many simulator workers were replaced is counted from the start.
        """
        row = self._rates() | self._rollout() | self._asynchrony() | self._waits()
        row |= self.paces.row()
        row |= {f"replaced/{why}": count for why, count in self._replaced.items()}
        self._episodes, self._batches = [], []
        self._steps = 0
        self._staleness = Counter()
        self._since = now()
        return row

    def _rates(self) -> dict[str, float]:
        elapsed = max(now() - self._since, 1e-9)
        return {
            "time/decisions_per_s": sum(self._batches) / elapsed,
            "time/steps_per_s": self._steps / elapsed,
            "time/seconds": elapsed,
        }

    def _rollout(self) -> dict[str, float]:
        count = len(self._episodes)
        if not count:
            return {}
        names = ("rollout/success", "rollout/episode_steps", "rollout/reward")
        means = {
            name: sum(column) / count
            for name, column in zip(names, zip(*self._episodes, strict=True), strict=True)
        }
        recent = sum(self._rewards) / len(self._rewards)
        return {**means, "rollout/reward_recent": recent, "rollout/episodes": count}

    def _asynchrony(self) -> dict[str, float]:
        row: dict[str, float] = {}
        if total := self._staleness.total():
            row["async/staleness_mean"] = sum(k * n for k, n in self._staleness.items()) / total
            row["async/staleness_max"] = max(self._staleness)
        if self._batches:
            row["async/batch_size"] = sum(self._batches) / len(self._batches)
        return row

    def _waits(self) -> dict[str, float]:
        busy: Mapping[str, float] = {
            "simulator": _mean(self.simulators),
            "generator": _mean(self.generators),
            "trainer": self.trainer.watch.lap(),
            **self._shared(),
        }
        return {f"wait/{name}": 1 - share for name, share in busy.items()}

    def _shared(self) -> dict[str, float]:
        """Return the busy share of each resource that is used in turns."""
        elapsed = max(now() - self._since, 1e-9)
        before, self._used_before = self._used_before, self._used()
        for device, (name, end) in enumerate(self._used_before.items()):
            micros = round(1e6 * (end - before[name]))
            self.trainer.span("share", device, self._since, micros=micros)
        return {name: (end - before[name]) / elapsed for name, end in self._used_before.items()}


def _mean(gauges: Sequence[Gauge]) -> float:
    return sum(one.watch.lap() for one in gauges) / len(gauges)
