"""From 8 to 256 GPUs in virtual time: background publication, and a broadcast that blocks.

A cell is a node of 8 GPUs with 8 times the lanes, workers and batch of the packaged manifest
`bench/libero`, whose latencies of simulation, inference and training are taken as they are. What
is added is the way of gradients and weights between nodes, for pi0.5 (3.3 billion parameters,
6.6 GB in bfloat16):

* Gradients: reduced inside a node over NVLink (300 GB/s), then over 8 links of 400 Gbit/s
  between nodes, an eighth by each. No measurement: bytes over nominal bandwidth.
* Background publication in buckets: 25 ms per GB, and 0.37 % more per node. Published figures of
  checkpoint-engine are 16 to 30 ms per GB, and 14.4 s on 16 GPUs, 16.0 s on 256, for 1 TB.
* Blocking broadcast of the full state: 1 s at 8 GPUs and 0.25 s more whenever they double. No
  measurement either: full precision, gathered and sent through the hosts.

Nothing here has seen a cluster. `--slower 2` doubles all three.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from rlvla.core.latency import Publish
from rlvla.core.manifest import load
from rlvla.core.planning.forecast import forecast
from rlvla.core.planning.size import Size
from rlvla.core.plugins import Plugins
from rlvla.core.run import job_of
from rlvla.core.runtime.virtual.told import told_by
from rlvla.plugins import BUILTIN

if TYPE_CHECKING:
    from rlvla.core.latency import Latencies
    from rlvla.core.settings import Manifest

NODE = 8
"""GPUs of a cell."""
NODES = (1, 2, 4, 8, 16, 32)
WEIGHTS_GB = 6.6
OVERRIDES = (
    "simulator.lanes=256",
    "algorithm.batch_size=2048",
    "schedulers.sharding={type: even, shards: 128, generators: 8}",
    *(
        f"placement.{group}={{gpus: [0, 1, 2, 3, 4, 5, 6, 7]}}"
        for group in ("generator", "trainer")
    ),
)
BACKGROUND, BLOCKING = "background", "blocking"


def all_reduce_ms(nodes: int) -> float:
    """Return what averaging the gradients takes: bytes over bandwidth, plus a little per hop."""
    inside = 2 * WEIGHTS_GB / 300
    between = 0.0 if nodes == 1 else 2 * WEIGHTS_GB / NODE / 50 + 2 * nodes * 20e-6
    return (inside + between) * 1000


def publish(kind: str, nodes: int) -> Publish:
    """Return how long weights take to all generators; see above."""
    if kind == BLOCKING:
        return Publish(base_ms=1000 + 250 * math.log2(nodes), blocking=True)
    base = 25 * WEIGHTS_GB
    return Publish(base_ms=base, per_sample_ms=0.0037 * base)


def slowed(latencies: Latencies, times: float) -> Latencies:
    """Return latencies with a slower network."""
    network = latencies.publish
    return replace(
        latencies,
        all_reduce_ms=times * latencies.all_reduce_ms,
        publish=replace(
            network,
            base_ms=times * network.base_ms,
            per_sample_ms=times * network.per_sample_ms,
        ),
    )


def rates(manifest: Manifest, kind: str, slower: float, updates: int) -> None:
    """Simulate and print one size after the other."""
    told = told_by(job_of(manifest, manifest.phases[-1]))
    first = 0.0
    for nodes in NODES:
        latencies = replace(told, all_reduce_ms=all_reduce_ms(nodes), publish=publish(kind, nodes))
        began = time.process_time()
        one = forecast(
            manifest,
            slowed(latencies, slower),
            Size(nodes, NODE * nodes),
            schedule=kind,
            updates=updates,
        )
        spent = time.process_time() - began
        first = first or one.per_gpu
        print(
            f"{kind:10} {one.size.gpus:4} GPUs {one.result.decisions_per_s:9.1f} decisions/s, "
            f"efficiency {one.per_gpu / first:.3f}, staleness {one.staleness:.2f}, "
            f"GPUs busy {one.result.utilisation['gpu']:.0%}, {spent:.1f} s to simulate",
            flush=True,
        )


def main() -> None:
    """Simulate both kinds of publication and print."""
    parser = argparse.ArgumentParser(description="Simulate both kinds.")
    parser.add_argument("--updates", type=int, default=4, help="that count, after 2 more")
    parser.add_argument("--slower", type=float, default=1.0, help="how many times the network is")
    arguments = parser.parse_args()
    plugins = Plugins()
    plugins.load_builtin(BUILTIN)
    manifest = load("bench/libero", plugins.components, overrides=OVERRIDES)
    for kind in (BACKGROUND, BLOCKING):
        rates(manifest, kind, arguments.slower, arguments.updates)


if __name__ == "__main__":
    main()
