"""A small search for a faster manifest: one setting after the other, each on the virtual clock.

Nothing that it proposes takes more simulator workers, generators or GPUs than the manifest does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rlvla.core.component import options_of
from rlvla.core.errors import ManifestError, PreflightError
from rlvla.core.planning.change import changed
from rlvla.core.planning.forecast import forecast
from rlvla.core.planning.size import Size, gpus_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rlvla.core.latency import Latencies
    from rlvla.core.manifest import Environment
    from rlvla.core.planning.forecast import Forecast
    from rlvla.core.registry import Components
    from rlvla.core.settings import Manifest

WORTH = 1.02
"""A change must bring so many times the throughput: less is within the noise of a simulation."""
OLDEST = 3
"""Largest `max_staleness` that is tried: beyond it, algorithms have to correct for much."""
KEPT = ("shards", "generators")
"""Options of a sharding that another one takes over if it has them."""


@dataclass(kw_only=True)
class Search:
    """Improves a manifest step by step, in one cell."""

    manifest: Manifest
    latencies: Latencies
    components: Components
    environment: Environment
    updates: int
    changes: dict[str, object] = field(default_factory=dict[str, object])
    """The best found so far, by dotted key."""
    best: Forecast = field(init=False)
    """What they come to."""
    tried: int = 0
    """Manifests that were simulated."""

    def __post_init__(self) -> None:
        self.before = self.best = self._judge(self.manifest)
        """What the manifest as it is comes to."""

    def run(self) -> None:
        """Try staleness, sharding and batching."""
        self._improve({"async.max_staleness": age} for age in range(OLDEST + 1))
        self._improve(self._shardings())
        self._improve(self._batchings())

    def _improve(self, choices: Iterator[Mapping[str, object]]) -> None:
        """Adopt the best of some changes, if it is worth it."""
        base, need = dict(self.changes), self.best.result.decisions_per_s * WORTH
        for choice in choices:
            result = self._tried({**base, **choice})
            if result is not None and result.result.decisions_per_s >= need:
                self.changes, self.best = {**base, **choice}, result
                need = result.result.decisions_per_s * WORTH

    def _tried(self, changes: Mapping[str, object]) -> Forecast | None:
        """Return what changes come to; None if they do not fit the manifest or take more."""
        manifest = self._changed(changes)
        if manifest is None or not self._is_affordable(manifest):
            return None
        return self._judge(manifest)

    def _judge(self, manifest: Manifest) -> Forecast:
        self.tried += 1
        one = Size(1, gpus_of(manifest))
        return forecast(manifest, self.latencies, one, schedule="best", updates=self.updates)

    def _changed(self, changes: Mapping[str, object]) -> Manifest | None:
        try:
            return changed(self.manifest, changes, self.components, self.environment)
        except (ManifestError, PreflightError):
            return None

    def _is_affordable(self, manifest: Manifest) -> bool:
        ours, theirs = self.manifest.assignment, manifest.assignment
        return len(theirs.shards) <= len(ours.shards) and len(theirs.served) <= len(ours.served)

    def _shardings(self) -> Iterator[Mapping[str, object]]:
        """Yield every installed sharding, with as many workers, and with half of them."""
        own = {name: value for name, value in self._own("sharding").items() if name in KEPT}
        for name in self.components.sharding:
            options = self._options("sharding", name)
            kept = {key: value for key, value in own.items() if key in options}
            yield {"schedulers.sharding": {"type": name, **kept}}
            if isinstance(kept.get("shards"), int) and kept["shards"] > 1:
                halved = {**kept, "shards": kept["shards"] // 2}
                yield {"schedulers.sharding": {"type": name, **halved}}

    def _batchings(self) -> Iterator[Mapping[str, object]]:
        """Yield every installed batching: with its defaults, and for smaller batches."""
        lanes = self.manifest.simulator.lanes // len(self.manifest.assignment.served)
        for name in self.components.batching:
            yield {"schedulers.batching": {"type": name}}
            if "max_batch" in self._options("batching", name):
                for part in (2, 4):
                    most = {"max_batch": max(1, lanes // part)}
                    yield {"schedulers.batching": {"type": name, **most}}

    def _own(self, kind: str) -> dict[str, Any]:
        return options_of(getattr(self.manifest, kind))

    def _options(self, kind: str, name: str) -> dict[str, Any]:
        """Return the options of an installed scheduler; none if it cannot be had by its name."""
        manifest = self._changed({f"schedulers.{kind}": {"type": name}})
        return {} if manifest is None else options_of(getattr(manifest, kind))
