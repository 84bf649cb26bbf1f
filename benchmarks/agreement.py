"""Whether `rlvla plan` is right: its predictions beside real runs with real processes.

    python benchmarks/agreement.py

For each profile of `bench/*` the latencies are measured as `rlvla profile` does. Each setting is
then forecast on the virtual clock, from these latencies alone, and run for as many updates with
the runtime `local`. A profile measures the lanes of one worker, so all lanes are equally fast here
(`spread: 0`). Updates during which a run fills its pipeline do not count, in neither.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rlvla.core.manifest import load
from rlvla.core.planning.forecast import forecast
from rlvla.core.planning.profiling import profile
from rlvla.core.planning.size import Size
from rlvla.core.plugins import Plugins
from rlvla.plugins import BUILTIN
from rlvla.plugins.bench.measurement import measure
from rlvla.plugins.bench.schedules import BASELINE, FULL, SCHEDULES

if TYPE_CHECKING:
    from rlvla.core.latency import Latencies
    from rlvla.core.settings import Manifest

WARM_UP = 3
EIGHT_WORKERS = "schedulers.sharding.shards=8"
SETTINGS = (
    ("metaworld", BASELINE, ()),
    ("metaworld", "pipelined k=2", ()),
    ("metaworld", "rollout async", ()),
    ("metaworld", FULL, ()),
    ("metaworld", FULL, (EIGHT_WORKERS,)),
    ("libero", FULL, ("async.max_staleness=2", "async.segment=8")),
    ("libero", FULL, ("schedulers.batching={type: adaptive}",)),
    ("maniskill", BASELINE, ()),
    ("maniskill", FULL, ()),
    ("robocasa", FULL, (EIGHT_WORKERS,)),
)
"""Profile, schedule and what else is changed."""


class Agreement:
    """Forecasts and runs settings of the packaged profiles."""

    def __init__(self, updates: int) -> None:
        self._plugins = Plugins()
        self._plugins.load_builtin(BUILTIN)
        self._updates = updates
        self._latencies: dict[str, Latencies] = {}

    def ratio(self, name: str, schedule: str, changes: tuple[str, ...]) -> float:
        """Return the forecast rate of a setting over the real one; print both."""
        manifest = self._manifest(name, *SCHEDULES[schedule], *changes)
        one = forecast(
            manifest, self._profiled(name), Size(1, 1), schedule=schedule, updates=self._updates
        )
        told = one.result.decisions_per_s
        real = measure(manifest, self._plugins, schedule=schedule, warmup=WARM_UP).decisions_per_s
        what = " ".join((name, schedule, *changes))
        print(f"{what:74} {told:8.1f} {real:8.1f} {told / real - 1:+7.1%}", flush=True)
        return told / real

    def _manifest(self, name: str, *overrides: str) -> Manifest:
        own = (
            f"budget={{updates: {WARM_UP + self._updates}}}",
            "simulator.step_latency.spread=0",
        )
        return load(f"bench/{name}", self._plugins.components, overrides=(*own, *overrides))

    def _profiled(self, name: str) -> Latencies:
        if name not in self._latencies:
            self._latencies[name] = profile(
                self._manifest(name), samples=100, repeats=5, tell=lambda _: None
            )
        return self._latencies[name]


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description="Compare forecasts with real runs.")
    parser.add_argument("--updates", type=int, default=12, help="that count, in each setting")
    parser.add_argument("--only", default="", help="settings of profiles with this in their name")
    arguments = parser.parse_args()
    agreement = Agreement(arguments.updates)
    print(f"{'setting':74} forecast     real")
    ratios = [agreement.ratio(*one) for one in SETTINGS if arguments.only in one[0]]
    within = sum(abs(ratio - 1) <= 0.1 for ratio in ratios)
    print(f"{within} of {len(ratios)} settings agree within 10 %")


if __name__ == "__main__":
    main()
