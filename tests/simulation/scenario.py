"""What a simulated run is like: everything that may vary, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from simulation.track import Track
from toys.tiny import Tiny

from rlvla.core.batcher import Lockstep
from rlvla.core.latency import Curve, Latencies, Latency, Publish
from rlvla.core.placement import Placement, Resources
from rlvla.core.runtime.recycling import Recycle
from rlvla.core.runtime.supervised import Deadlines
from rlvla.core.runtime.virtual.faults import Faults
from rlvla.core.runtime.virtual.runtime import Virtual
from rlvla.core.settings import Asynchrony, Budget, Checkpointing, Evaluating, Manifest, Phase
from rlvla.plugins.algorithms.grpo import GRPO
from rlvla.plugins.algorithms.ppo import PPO
from rlvla.plugins.proximals.interrupt import Interrupt
from rlvla.plugins.proximals.old_logit_model import OldLogitModel
from rlvla.plugins.schedulers.adaptive import Adaptive
from rlvla.plugins.schedulers.dynamic import Dynamic
from rlvla.plugins.schedulers.even import Even
from rlvla.plugins.schedulers.greedy import Greedy
from rlvla.plugins.schedulers.locality import Locality
from rlvla.plugins.schedulers.pipelined import Pipelined
from rlvla.plugins.schedulers.stealing import Stealing
from rlvla.plugins.schedulers.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlvla.core.interfaces import Algorithm, Batching, Sharding, Simulator

DEADLINE = 40.0
"""Seconds that a step, a reset or a batch may take; what goes well takes less than half of it."""


@dataclass(frozen=True)
class Scenario:
    """A manifest, the world that it runs in, and for how many updates."""

    seed: int
    manifest: Manifest
    runtime: Virtual
    updates: int
    stopped: bool
    """It is told to stop, instead of coming to the end of its budget."""

    @classmethod
    def of(cls, seed: int) -> Scenario:
        """Draw the scenario of a seed."""
        dice = Random(seed)
        lanes = dice.randint(1, 8)
        batched = dice.random() < 0.25
        faults = _faults(dice)
        leak, recycle = _recycling(Random(-seed - 4))
        runtime = Virtual(
            latencies=_latencies(dice, faults),
            cells=dice.choice((1, 1, 2)),
            seed=seed,
            ending=dice.choice((0.0, 0.0, 0.1, 0.4)),
            start_s=dice.choice((0.0, 1.0)),
            faults=replace(faults, leak_gib=leak),
            recycle=recycle,
            deadlines=Deadlines(
                start=DEADLINE, reset=DEADLINE, step=DEADLINE, model=DEADLINE, close=DEADLINE
            ),
        )
        manifest = _manifest(seed, dice, Track(lanes, dice.randint(1, 7), batched), faults)
        manifest = _interrupted(manifest, Random(-seed - 3))
        updates = dice.randint(3, 6)
        return cls(seed, manifest, runtime, updates, stopped=dice.random() < 0.5)


def _manifest(seed: int, dice: Random, track: Track, faults: Faults) -> Manifest:
    deterministic = Random(-seed - 1).random() < 0.2
    segment = dice.randint(1, 4)
    micro_batch = segment * dice.randint(1, 2)
    algorithm: Algorithm = PPO(
        batch_size=micro_batch * dice.randint(1, 4),
        micro_batch_size=micro_batch,
        epochs=dice.choice((1, 1, 2)),
    )
    other = Random(-seed - 2)
    consistent = False
    if other.random() < 0.3:
        algorithm, consistent = _grouped(other, deterministic=deterministic)
    simulator: Simulator = track  # type: ignore[assignment]  # the rest of one is never called
    return Manifest(
        name="simulation",
        seed=seed,
        simulator=simulator,
        model=Tiny(),
        phases=(Phase("some", algorithm, Budget(updates=1)),),
        asynchrony=Asynchrony(
            rollout=dice.random() < 0.85,
            stream=dice.random() < 0.7,
            max_staleness=dice.choice((0, 1, 1, 2, 3)),
            segment=segment,
            consistent_groups=consistent,
        ),
        batching=_batching(dice),
        sharding=_sharding(dice, track),
        padding=dice.choice(((), (2, 4, 8))),
        placement=_placement(dice, faults),
        runtime=Virtual(),
        evaluating=Evaluating(
            episodes=1, during=2, every=dice.choice((0, 0, 1, 2)), lanes=2, videos=0
        ),
        checkpointing=Checkpointing(every=2),
        deterministic=deterministic,
        trace=False,
        loggers=(),
        output_dir=Path("nowhere"),
        plain={"simulator": {"type": "track"}},
    )


def _interrupted(manifest: Manifest, dice: Random) -> Manifest:
    """Have decisions seen before their weights are gone, in some of the runs that can."""
    if manifest.exact_versions or dice.random() < 0.6:
        return manifest
    (phase,) = manifest.phases
    options: dict[str, Any] = {"proximal": dice.choice((Interrupt(), OldLogitModel()))}
    algorithm: Any = phase.algorithm
    return replace(manifest, phases=(replace(phase, algorithm=replace(algorithm, **options)),))


def _grouped(dice: Random, *, deterministic: bool) -> tuple[GRPO, bool]:
    """Return an algorithm that compares episodes, and whether one version makes all of a group."""
    size = dice.choice((2, 2, 3, 4))
    selects = not deterministic and dice.random() < 0.4
    low, high = dice.choice(((0.0, 0.9), (0.1, 1.0), (0.1, 0.9)))
    algorithm = GRPO(
        group_size=size,
        batch_size=size * dice.randint(1, 4),
        micro_batch_size=dice.randint(1, 8),
        epochs=dice.choice((1, 1, 2)),
        filter="resample" if selects else "none",
        filter_low=low,
        filter_high=high,
    )
    return algorithm, dice.random() < 0.5


def _batching(dice: Random) -> Batching:
    most, wait = dice.choice((1, 2, 3, 5, 8)), dice.choice((0.0, 30.0, 200.0, 5000.0))
    makers: list[Callable[[], Batching]] = [
        lambda: Greedy(max_batch=most),
        lambda: Dynamic(max_batch=most, max_wait_ms=wait),
        lambda: Dynamic(max_batch=most, max_wait_ms=wait, count="samples"),
        lambda: Dynamic(max_batch=most, max_wait_ms=wait, count="groups"),
        lambda: Pipelined(order="arrival"),
        lambda: Pipelined(order="round_robin"),
        lambda: Pipelined(order="group_greedy"),
        lambda: Adaptive(max_batch=most),
        Lockstep,
    ]
    return dice.choice(makers[:2] if dice.random() < 0.2 else makers)()


def _sharding(dice: Random, track: Track) -> Sharding:
    lanes = track.lanes
    shards, generators, groups = (dice.randint(1, lanes) for _ in range(3))
    if track.batched:
        shards = 1
    generators = min(generators, dice.choice((1, 1, 2, 3)))
    makers: list[Callable[[], Sharding]] = [
        lambda: Even(shards=shards, generators=generators, groups=groups),
        lambda: Stealing(shards=shards, generators=generators, groups=groups),
        lambda: Locality(shards=max(shards, generators), generators=generators),
        lambda: _tables(dice, lanes),
    ]
    return dice.choice(makers[:2] if track.batched else makers)()


def _tables(dice: Random, lanes: int) -> Sharding:
    """Two simulators where there are lanes for them; each manager is served by one generator."""
    first = dice.randint(1, lanes)
    rows = [[first], [lanes - first]] if first < lanes else [[first]]
    return Tables(lanes=rows, generators=[[[number]] for number in range(len(rows))])


def _latencies(dice: Random, faults: Faults) -> Latencies:
    step = Latency(
        mean_ms=dice.choice((20.0, 100.0, 300.0)),
        cv=dice.choice((0.0, 0.3, 0.8)),
        spread=dice.choice((0.0, 0.3)),
    )
    batch = Curve(base_ms=50.0, per_sample_ms=5.0)
    return Latencies(
        step=step,
        reset=Latency(mean_ms=dice.choice((10.0, 300.0)), cv=0.3),
        batch=dice.choice((None, batch)),
        generator=Curve(base_ms=dice.choice((0.0, 20.0, 200.0)), per_sample_ms=10.0),
        trainer=Curve(base_ms=dice.choice((0.0, 50.0)), per_sample_ms=dice.choice((1.0, 50.0))),
        update_ms=dice.choice((0.0, 100.0)),
        all_reduce_ms=10.0,
        publish=Publish(
            base_ms=dice.choice((0.0, 50.0, 2000.0)),
            blocking=dice.random() < 0.3 and not faults.hang,  # the trainer would wait for it
        ),
    )


def _faults(dice: Random) -> Faults:
    if dice.random() < 0.1:
        return Faults()
    rates = {
        name: dice.choice((0.0, 0.0, 0.003, 0.015))
        for name in ("crash", "hang", "slow", "error", "lost", "unanswered")
    }
    rates |= {name: dice.choice((0.0, 0.0, 0.03, 0.1)) for name in ("duplicated", "late")}
    return Faults(
        **rates,
        late_s=dice.choice((0.05, 2.0)),
        slow_factor=dice.choice((3.0, 10.0)),
        trainer=dice.random() < 0.1,
        until_s=dice.choice((None, None, 5.0)),
        laggards=dice.choice(((), (), (0,))),
        lag=4.0,
    )


def _recycling(dice: Random) -> tuple[float, Recycle]:
    """Return what a worker keeps of an episode, and when workers are replaced."""
    leak = dice.choice((0.0, 0.3))
    recycle = Recycle(
        episodes=dice.choice((None, 1, 2, 5)),
        memory_gib=dice.choice((None, 1.0)),
    )
    return leak, recycle


def _placement(dice: Random, faults: Faults) -> Placement:
    """Share a device between generators and trainer, if nobody keeps it too long."""
    if faults.hang or faults.slow or dice.random() < 0.5:
        return Placement()
    shared = Resources(gpus=(0,))
    return Placement(generator=shared, trainer=shared)
