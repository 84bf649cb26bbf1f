"""One run under one schedule, and what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rlvla.core.run import run_manifest
from rlvla.plugins.bench.processor import cores, cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.plugins import Plugins
    from rlvla.core.settings import Manifest

ROLES = {"simulator": "shard", "generator": "generator", "trainer": "trainer"}


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What a run did after its warm-up."""

    schedule: str
    seed: int
    decisions_per_s: float
    """Trained on."""
    steps_per_s: float
    """Actions that training lanes executed."""
    staleness: float
    """Mean over decisions, in versions."""
    busy: Mapping[str, float]
    """Share of the time that each resource was in use, 0 to 1: the cores of this machine, what is
    used in turns, and the workers that share nothing."""

    @property
    def bottleneck(self) -> str:
        """The resource that waits least."""
        return max(self.busy, key=self.busy.__getitem__)

    @property
    def bound(self) -> float:
        """Decisions per second if the bottleneck never waited."""
        return self.decisions_per_s / self.busy[self.bottleneck]


def measure(manifest: Manifest, plugins: Plugins, *, schedule: str, warmup: int) -> Measurement:
    """Run a manifest in a folder that is thrown away; its first `warmup` updates do not count."""
    meter = Meter()
    with TemporaryDirectory(prefix="rlvla-bench-") as folder:
        run_manifest(replace(manifest, output_dir=Path(folder, "run"), loggers=(meter,)), plugins)
    rows = meter.rows[warmup:]
    seconds = sum(row["time/seconds"] for row in rows)
    before = meter.rows[warmup - 1]["ledger/trained"] if warmup else 0
    return Measurement(
        schedule=schedule,
        seed=manifest.seed,
        decisions_per_s=(rows[-1]["ledger/trained"] - before) / seconds,
        steps_per_s=_mean(rows, "time/steps_per_s"),
        staleness=_mean(rows, "async/staleness_mean"),
        busy=_busy(manifest, rows),
    )


@dataclass
class Meter:
    """A logger that remembers rows, and the processor time between them."""

    rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    _cpu: float = 0.0

    def start(self, run_dir: str, manifest: Mapping[str, object]) -> None:
        """Begin; see `Logger.start`."""

    def log(self, row: Mapping[str, float | int | str]) -> None:
        """Remember a row; see `Logger.log`."""
        before, self._cpu = self._cpu, cpu_seconds()
        self.rows.append({**row, "cpu": self._cpu - before})

    def close(self) -> None:
        """End; see `Logger.close`."""


def _busy(manifest: Manifest, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    seconds = sum(row["time/seconds"] for row in rows)
    alone = [name for name, role in ROLES.items() if manifest.placement.of(role).turns is None]
    resources = (*alone, *manifest.placement.shared)
    shares = {name: 1 - _mean(rows, f"wait/{name}") for name in resources}
    return shares | {"cores": sum(row["cpu"] for row in rows) / seconds / cores()}


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    """Return the mean over time."""
    weights: list[float] = [row["time/seconds"] for row in rows]
    values: list[float] = [row[name] for row in rows]
    return fmean(values, weights)
