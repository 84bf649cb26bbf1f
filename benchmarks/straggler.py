"""One simulator worker of 16 is ten times slower: what that costs, with real processes.

    python benchmarks/straggler.py

Each worker has one lane that waits 50 ms a step; deciding and training take next to nothing. If
what the slow worker does not do is all that is lost, 15/16 of the throughput stay. Asynchronously
the others go on, as long as the slow worker's segment may still be trained on: it must take no
longer than `--staleness` batches of the others. Synchronously everybody waits at every step. A
worker that is only slow must not be taken for dead: decisions that were dropped are counted.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rlvla.core.manifest import load
from rlvla.core.plugins import Plugins
from rlvla.core.run import run_manifest
from rlvla.plugins import BUILTIN
from rlvla.plugins.bench.measurement import Meter
from rlvla.plugins.bench.schedules import BASELINE, FULL, SCHEDULES

LANES, BATCH = 16, 256
WARM_UP = 3
"""Updates at the beginning that do not count."""
SYNCHRONOUS = 3
"""Updates that count where all wait for the slow worker: 8 s each."""
MANIFEST = f"""
rlvla: 1
name: straggler
simulator:
  {{type: laggard, lanes: {LANES}, max_steps: 20, step_latency: {{mean_ms: 50}}, mark: mark}}
model: {{type: latency}}
algorithm: {{type: ppo, batch_size: {BATCH}, micro_batch_size: 64}}
schedulers: {{batching: {{type: greedy}}, sharding: {{type: even, shards: {LANES}}}}}
eval: {{episodes: 1, lanes: 1, videos: 0}}
"""


def rate(schedule: str, lag: float, updates: int, *overrides: str) -> float:
    """Return decisions per second with a worker that is `lag` times slower; print what was lost."""
    plugins, meter = Plugins(), Meter()
    plugins.load_builtin([*BUILTIN, "laggard"])
    with TemporaryDirectory() as folder:
        path = Path(folder, "straggler.yaml")
        path.write_text(f"{MANIFEST}budget: {{updates: {WARM_UP + updates}}}\n")
        own = (f"simulator.lag={lag}", f"simulator.mark={folder}/mark")
        overrides = (*own, *overrides, *SCHEDULES[schedule])
        manifest = load(path, plugins.components, overrides=overrides)
        manifest = replace(manifest, loggers=(meter,), output_dir=Path(folder, "run"))
        run_manifest(manifest, plugins)
    rows = meter.rows[WARM_UP:]
    seconds: float = sum(row["time/seconds"] for row in rows)
    found = updates * BATCH / seconds
    lost = {name: count for name, count in rows[-1].items() if name.startswith("ledger/dropped")}
    print(f"{schedule}, one worker {lag:g} x slower: {found:.1f} decisions/s, dropped: {lost or 0}")
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what a slow worker costs.")
    parser.add_argument("--updates", type=int, default=50, help="that count, if asynchronous")
    parser.add_argument("--lag", type=float, default=10.0)
    parser.add_argument("--segment", type=int, default=2, help="decisions")
    parser.add_argument("--staleness", type=int, default=2)
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    changes = (
        f"async.segment={arguments.segment}",
        f"async.max_staleness={arguments.staleness}",
    )
    for schedule, updates in ((FULL, arguments.updates), (BASELINE, SYNCHRONOUS)):
        fair = rate(schedule, 1, updates, *changes)
        share = rate(schedule, arguments.lag, updates, *changes) / fair
        print(f"{schedule}: {share:.3f} of all-fast; 0.95 of 15/16 is {0.95 * 15 / 16:.3f}")


if __name__ == "__main__":
    main()
