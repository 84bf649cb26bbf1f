from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest
from toys.closed import Closed

from rlvla.plugins.schedulers.greedy import Greedy
from rlvla.plugins.schedulers.network import Network

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.latency import Latencies


@dataclass(frozen=True)
class Line:
    """a + c·n, in seconds."""

    fixed: float
    each: float

    def seconds(self, n: int) -> float:
        return self.fixed + self.each * n


@dataclass(frozen=True)
class Mean:
    mean_s: float


@dataclass(frozen=True)
class Measured:
    """The part of the latencies that the network reads."""

    step: Mean
    generator: Line
    trainer: Line = field(default_factory=lambda: Line(0.0, 0.01))
    batch: Line | None = None


def _network(step: float, generator: Line, lanes: int, batch: Line | None = None) -> Network:
    measured = Measured(Mean(step), generator, batch=batch)
    return Network(cast("Latencies", measured), lanes, 32)


@pytest.mark.parametrize("workers", [1, 2, 4, 8, 16])
@pytest.mark.parametrize(
    ("step", "fixed", "each"), [(0.05, 0.02, 0.002), (0.3, 0.05, 0.009), (0.02, 0.05, 0.005)]
)
def test_the_network_agrees_with_a_simulation(
    workers: int, step: float, fixed: float, each: float
) -> None:
    system = Closed(
        lanes=16,
        think=lambda draw, lane: draw.lognormvariate(0, 0.3) * step / 1.046,
        fixed=fixed,
        each=each,
        workers=workers,
    )
    simulated = system.rate(Greedy(), decisions=3000, warm=300)
    predicted = _network(step, Line(fixed, each), 16).rate(workers, 1, shared=False)
    assert predicted == pytest.approx(simulated, rel=0.15)


def test_one_worker_is_the_bottleneck_of_slow_simulators() -> None:
    assert _network(1.0, Line(1e-6, 0.0), 8).rate(1, 1, shared=False) == pytest.approx(
        1.0, rel=0.01
    )
    assert _network(1.0, Line(1e-6, 0.0), 8).rate(8, 1, shared=False) == pytest.approx(
        8.0, rel=0.01
    )


def test_training_slows_the_generator_of_its_device_by_the_part_that_it_takes() -> None:
    # X (step + (1 + busy / 2) decide) = 1, where decide = 0.1 / (1 - 0.01 X), busy = X decide
    rate = _network(0.1, Line(0.1, 0.0), 1).rate(1, 1, shared=True)
    decide = 0.1 / (1 - 0.01 * rate)
    assert rate * (0.1 + (1 + rate * decide / 2) * decide) == pytest.approx(1)
    alone = _network(0.1, Line(0.1, 0.0), 1).rate(1, 1, shared=False)
    assert 0.9 * alone < rate < alone


def test_a_whole_batch_takes_simulation_and_decision_in_turn() -> None:
    network = _network(9.0, Line(0.2, 0.1), 8, Line(0.5, 0.05))
    assert network.whole(2) == pytest.approx(8 / (0.5 + 0.4 + 0.2 + 0.4))


def test_trainers_bound_the_rate() -> None:
    network = _network(0.1, Line(0.1, 0.01), 10)
    assert network.bound(1, 3, shared=False) == pytest.approx(300)
    assert network.bound(1, 1, shared=True) == pytest.approx(1 / (0.02 + 0.01))


def test_auto_takes_the_fewest_workers_that_are_fast_enough(tmp_path: Path) -> None:
    latency = pytest.importorskip("rlvla.core.latency")
    from rlvla.plugins.schedulers.auto import Auto

    path = tmp_path / "latencies.yaml"
    path.write_text(
        "step: {mean_ms: 100}\nreset: {mean_ms: 100}\n"
        "generator: {base_ms: 10, per_sample_ms: 1}\ntrainer: {per_sample_ms: 1}\n"
    )
    assert latency.load(path).step.mean_s == 0.1
    auto = Auto(latencies=path, cores=8, devices=4)
    best = auto.choose(16)
    assert (best.shards, best.generators) == (8, 1)
    assert best.rate == pytest.approx(80, rel=0.05)
    assert len(auto.assign(16).shards) == 8
    assert len(auto.assign(16, batched=True).shards) == 1
