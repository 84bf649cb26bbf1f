from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from toys.plugin import toy_manifest

from rlvla.core.latency import Curve
from rlvla.core.runtime.supervised import Deadlines
from rlvla.core.runtime.virtual.faults import Faults
from rlvla.core.runtime.virtual.loop import run_virtually
from rlvla.core.runtime.virtual.runtime import Virtual
from rlvla.core.runtime.virtual.simulation import Simulation, simulate

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.latency import Latencies
    from rlvla.core.settings import Manifest

ONE_LANE_A_WORKER = (
    "simulator.lanes=4",
    "schedulers.sharding={type: even, shards: 4}",
    "schedulers.batching={type: greedy}",
    "algorithm.batch_size=48",
    "async.segment=6",
    "eval.lanes=1",
)
SYNCHRONOUS = ("async.rollout=false", "async.stream=false", "async.max_staleness=0")
FREE = Curve(base_ms=0, per_sample_ms=0)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return toy_manifest(tmp_path, *ONE_LANE_A_WORKER)


def test_simulators_that_nobody_holds_up_give_what_they_can(
    manifest: Manifest, latencies: Latencies
) -> None:
    """An episode is 2 s of reset, 6 of steps, 6 decisions: 4 lanes make 3 decisions a second."""
    quick = replace(latencies, generator=FREE, trainer=FREE, update_ms=0, all_reduce_ms=0)
    result = simulate(manifest, Virtual(latencies=quick), updates=10)
    np.testing.assert_allclose(result.decisions_per_s, 3, rtol=1e-3)
    np.testing.assert_allclose(result.utilisation["simulator"], 1, rtol=1e-3)
    np.testing.assert_allclose(result.bound, 3, rtol=1e-3)
    assert result.utilisation["trainer"] == 0
    assert sum(result.staleness.values()) == result.decisions == 480


def test_groups_are_simulated_by_the_decisions_that_they_come_to(
    tmp_path: Path, latencies: Latencies
) -> None:
    """8 episodes of 6 decisions: two epochs of 24 s, each with an update of 3 s."""
    grpo = "algorithm={type: grpo, group_size: 4, batch_size: 8, micro_batch_size: 8, epochs: 2}"
    others = [one for one in ONE_LANE_A_WORKER if "batch_size" not in one]
    manifest = toy_manifest(tmp_path, *others, grpo)
    quick = replace(latencies, generator=FREE)
    result = simulate(manifest, Virtual(latencies=quick), updates=10, warmup=2)
    np.testing.assert_allclose(result.decisions_per_s, 48 / 54, rtol=1e-3)
    assert result.decisions == 480
    assert max(result.staleness) <= 1


def test_a_slow_trainer_is_the_bottleneck_and_never_waits(
    manifest: Manifest, latencies: Latencies
) -> None:
    """48 decisions at 0.5 s, an update of 3 s: 27 s a batch."""
    quick = replace(latencies, generator=FREE)
    result = simulate(manifest, Virtual(latencies=quick), updates=10, warmup=2)
    np.testing.assert_allclose(result.decisions_per_s, 48 / 27, rtol=1e-3)
    assert result.bottleneck == "trainer"
    assert max(result.staleness) == 1


def test_the_synchronous_schedule_takes_the_sum_of_its_phases(
    tmp_path: Path, latencies: Latencies
) -> None:
    """Twelve decisions of each of 4 lanes in lockstep: two episodes; batches of 4 take 5 s."""
    synchronous = ("async={rollout: false, stream: false, max_staleness: 0, segment: 6}",)
    manifest = toy_manifest(tmp_path, *ONE_LANE_A_WORKER, *synchronous)
    result = simulate(manifest, Virtual(latencies=latencies), updates=3)
    np.testing.assert_allclose(result.seconds / 3, 2 * (2 + 6 * (5 + 1)) + 27, rtol=1e-3)
    assert result.staleness == {0: 144}
    assert result.batch == 4


def test_cells_add_up(manifest: Manifest, latencies: Latencies) -> None:
    quick = replace(latencies, trainer=FREE, update_ms=0, all_reduce_ms=0)
    one, three = (
        simulate(manifest, Virtual(latencies=quick, cells=cells), updates=10) for cells in (1, 3)
    )
    np.testing.assert_allclose(three.decisions_per_s, 3 * one.decisions_per_s, rtol=0.02)


def _chaos(seed: int, latencies: Latencies, *, cells: int = 1) -> Virtual:
    faults = Faults(
        crash=0.003, hang=0.002, slow=0.02, error=0.01, unanswered=0.002, duplicated=0.05, late=0.05
    )
    deadlines = Deadlines(start=50, reset=50, step=30, model=30, close=5)
    return Virtual(
        latencies=latencies, seed=seed, ending=0.05, faults=faults, deadlines=deadlines, cells=cells
    )


def _history(manifest: Manifest, runtime: Virtual) -> list[tuple[float, str]]:
    simulation = Simulation(manifest=manifest, runtime=runtime, updates=6)
    run_virtually(simulation.run())
    history = [(death.time, f"{death.name} {death.how}") for death in simulation.world.deaths]
    return history + [(one.time, str(one.requests)) for one in simulation.snapshots]


def test_a_seed_repeats_everything_and_another_does_not(
    manifest: Manifest, latencies: Latencies
) -> None:
    noisy = replace(latencies, step=replace(latencies.step, cv=0.5))
    first, again = (_history(manifest, _chaos(3, noisy, cells=2)) for _ in range(2))
    assert first == again
    assert first != _history(manifest, _chaos(4, noisy, cells=2))


def test_faults_cost_time_and_nothing_else(manifest: Manifest, latencies: Latencies) -> None:
    noisy = replace(latencies, step=replace(latencies.step, cv=0.5))
    deaths = 0
    for seed in range(10):
        simulation = Simulation(manifest=manifest, runtime=_chaos(seed, noisy), updates=6)
        run_virtually(simulation.run())
        assert simulation.progress.decisions == 6 * 48
        assert max(simulation.world.staleness) <= 1
        assert not any(death.unjust for death in simulation.world.deaths)
        deaths += sum(death.how != "exit code 0" for death in simulation.world.deaths)
    assert deaths > 10


def test_a_simulation_can_be_watched_from_beside(manifest: Manifest, latencies: Latencies) -> None:
    simulation = Simulation(manifest=manifest, runtime=Virtual(latencies=latencies), updates=3)

    async def watched() -> list[int]:
        seen: list[int] = []
        async with asyncio.TaskGroup() as group:
            running = group.create_task(simulation.run())
            while not running.done():
                await asyncio.sleep(20)
                seen.append(sum(simulation.world.staleness.values()))
        return seen

    seen = run_virtually(watched())
    assert seen == sorted(seen)
    assert seen[-1] >= 3 * 48


@pytest.mark.parametrize(
    ("schedule", "least", "most"), [("async", 0.95 * 15 / 16, 1), ("sync", 0, 0.3)]
)
def test_a_worker_that_is_ten_times_slower_costs_what_it_does_not_do_and_is_left_alive(
    tmp_path: Path, latencies: Latencies, schedule: str, least: float, most: float
) -> None:
    """A batch of all lanes in lockstep waits for the slowest: that is the baseline's loss."""
    changed = {"async": ("async.max_staleness=2",), "sync": SYNCHRONOUS}[schedule]
    lanes = (
        "simulator.lanes=16",
        "schedulers.sharding={type: even, shards: 16}",
        "schedulers.batching={type: greedy}",
        "algorithm.batch_size=256",
        "async.segment=4",
    )
    manifest = toy_manifest(tmp_path, *lanes, *changed)
    quick = replace(latencies, generator=FREE, trainer=FREE, update_ms=0, all_reduce_ms=0)
    rates: list[float] = []
    for faults in (Faults(), Faults(laggards=(0,), lag=10)):
        simulation = Simulation(
            manifest=manifest, runtime=Virtual(latencies=quick, faults=faults), updates=23
        )
        run_virtually(simulation.run())
        rates.append(simulation.result(3).decisions_per_s)
        assert [death for death in simulation.world.deaths if not death.excused] == []
    assert least <= rates[1] / rates[0] <= most


def test_each_minibatch_is_an_optimizer_step(tmp_path: Path, latencies: Latencies) -> None:
    """48 decisions at 0.5 s, three updates of 3 s: 33 s a batch."""
    parted = ("algorithm.minibatches=3", "algorithm.micro_batch_size=8")
    manifest = toy_manifest(tmp_path, *ONE_LANE_A_WORKER, *parted)
    quick = Virtual(latencies=replace(latencies, generator=FREE))
    result = simulate(manifest, quick, updates=10, warmup=2)
    np.testing.assert_allclose(result.decisions_per_s, 48 / 33, rtol=1e-3)
