"""The deterministic mode under faults: `Memory` asserts what everybody may rely on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from toys.plugin import toy_manifest

from rlvla.core.runtime.supervised import Deadlines
from rlvla.core.runtime.virtual.faults import Faults
from rlvla.core.runtime.virtual.loop import run_virtually
from rlvla.core.runtime.virtual.runtime import Virtual
from rlvla.core.runtime.virtual.simulation import Simulation

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.latency import Latencies

FAULTS = Faults(crash=0.02, hang=0.01, slow=0.02, error=0.02, duplicated=0.02, late=0.05)
DEADLINES = Deadlines(start=10, reset=60, step=60, model=600, close=1)


@pytest.mark.parametrize("eta", [0, 1, 3])
@pytest.mark.parametrize("cells", [1, 2])
def test_staleness_follows_the_order_and_nothing_is_dropped_under_faults(
    tmp_path: Path, latencies: Latencies, eta: int, cells: int
) -> None:
    manifest = toy_manifest(
        tmp_path, "deterministic=true", "checkpoint.every=4", f"async.max_staleness={eta}"
    )
    for seed in range(4):
        runtime = Virtual(
            latencies=latencies,
            cells=cells,
            faults=FAULTS,
            deadlines=DEADLINES,
            seed=seed,
            ending=0.2,
        )
        simulation = Simulation(manifest=manifest, runtime=runtime, updates=9)
        run_virtually(simulation.run())
        ages = Counter(min(batch % 4, eta) for batch in range(9) for _ in range(32))
        assert simulation.world.staleness == ages
        dropped = {name for name in simulation.progress.ledger if name.startswith("dropped")}
        assert dropped <= {"dropped_shutdown"}
