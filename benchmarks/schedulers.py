"""Whether schedulers that choose for themselves choose well: the bench profiles in virtual time.

`adaptive` batching is compared with the best of a grid of `dynamic` batching (B lanes or T ms),
`auto` sharding with the best even one that uses no more cores. Rates are means over seeds; the best
of a grid is the best of many noisy means, which flatters it by a per cent or so.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

from rlvla.core.latency import save
from rlvla.core.manifest import load
from rlvla.core.plugins import Plugins
from rlvla.core.run import job_of
from rlvla.core.runtime.virtual.runtime import Virtual
from rlvla.core.runtime.virtual.simulation import simulate
from rlvla.core.runtime.virtual.told import told_by
from rlvla.plugins import BUILTIN

PROFILES = ("metaworld", "libero", "robocasa", "maniskill")
SIZES = (1, 2, 4, 8, 12, 16, 24, 32, 64)
WAITS_MS = (0, 5, 20, 50, 100, 10_000)


class Trials:
    """Variants of one profile, each run with several seeds."""

    def __init__(self, profile: str, *, seeds: int, updates: int) -> None:
        self._plugins = Plugins()
        self._plugins.load_builtin(BUILTIN)
        self._name = f"bench/{profile}"
        self._seeds = seeds
        self._updates = updates
        self.manifest = load(self._name, self._plugins.components)

    def rate(self, *overrides: str) -> float:
        """Return decisions per second under these overrides, the mean over seeds."""
        manifest = load(self._name, self._plugins.components, overrides=overrides)
        return statistics.fmean(
            simulate(manifest, Virtual(seed=seed), updates=self._updates, warmup=2).decisions_per_s
            for seed in range(self._seeds)
        )


def batching(trials: Trials) -> str:
    """Compare `adaptive` and `greedy` with the best of the grid."""
    grid = {
        (size, wait): trials.rate(
            f"schedulers.batching={{type: dynamic, max_batch: {size}, max_wait_ms: {wait}}}"
        )
        for size in SIZES
        for wait in WAITS_MS
        if size <= trials.manifest.simulator.lanes
    }
    size, wait = max(grid, key=grid.__getitem__)
    best = grid[size, wait]
    chosen = {
        name: trials.rate(f"schedulers.batching={{type: {name}}}")
        for name in ("adaptive", "greedy")
    }
    told = ", ".join(f"{name} {one:.1f} = {one / best:.3f}" for name, one in chosen.items())
    return f"batching: best of the grid {best:.1f} (B={size}, T={wait} ms); {told}"


def sharding(trials: Trials) -> str:
    """Compare `auto` with the best even sharding on the cores that the profile uses."""
    manifest = trials.manifest
    cores = len({*manifest.assignment.workers[: manifest.simulator.lanes]})
    even = {
        (shards, generators): trials.rate(
            f"schedulers.sharding={{type: even, shards: {shards}, generators: {generators}}}"
        )
        for shards in range(1, cores + 1)
        for generators in (1, 2)
    }
    (shards, generators), best = max(even.items(), key=lambda item: item[1])
    with TemporaryDirectory() as folder:
        path = Path(folder, "latencies.yaml")
        save(told_by(job_of(manifest, manifest.phases[0])), path)
        auto = trials.rate(f"schedulers.sharding={{type: auto, latencies: {path}, cores: {cores}}}")
    return (
        f"sharding: best even {best:.1f} ({shards} shards, {generators} generators); "
        f"auto {auto:.1f} = {auto / best:.3f}"
    )


def main() -> None:
    """Compare on each profile and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=10)
    arguments = parser.parse_args()
    for profile in PROFILES:
        trials = Trials(profile, seeds=arguments.seeds, updates=arguments.updates)
        for compare in (batching, sharding):
            print(f"{profile}: {compare(trials)}", flush=True)


if __name__ == "__main__":
    main()
