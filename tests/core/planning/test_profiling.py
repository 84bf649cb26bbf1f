from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.planning.profiling import profile, sizes

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlvla.core.settings import Manifest


def test_what_takes_its_time_is_measured(manifest: Callable[..., Manifest]) -> None:
    """Sleeps of known length: nothing can be quicker, and the micro-batch is 5 ms a decision."""
    lines: list[str] = []
    quick = manifest("simulator.step_latency={mean_ms: 5}", "simulator.reset_latency={mean_ms: 10}")
    latencies = profile(quick, samples=8, repeats=2, tell=lines.append)
    assert len(latencies.step.samples_ms) == 8
    assert len(latencies.reset.samples_ms) == 3  # two episodes, and what the generator looks at
    assert min(latencies.step.samples_ms) >= 5
    assert min(latencies.reset.samples_ms) >= 10
    for size in (1, 5):
        assert latencies.generator.seconds(size) >= 0.9 * (10 + size) / 1000
        assert latencies.trainer.seconds(size) >= 0.9 * 5 * size / 1000
    assert latencies.batch is None
    assert latencies.source.startswith("planned on ")
    told = [line.partition(":")[0] for line in lines]
    assert told == ["reset", "step", "generator", "update", "publication", "trainer"]


def test_a_batched_simulator_is_measured_in_batches(manifest: Callable[..., Manifest]) -> None:
    batched = manifest(
        "simulator.batch_latency={base_ms: 5, per_sample_ms: 2}",
        "schedulers.sharding={type: even, shards: 1}",
    )
    latencies = profile(batched, samples=4, repeats=1, tell=print)
    assert latencies.batch is not None
    assert latencies.batch.seconds(4) >= 0.9 * 0.013


def test_a_trainer_of_groups_is_measured_by_decisions(manifest: Callable[..., Manifest]) -> None:
    grpo = "algorithm={type: grpo, group_size: 4, batch_size: 16, micro_batch_size: 4}"
    quick = manifest(grpo, "simulator.step_latency={mean_ms: 1}")
    latencies = profile(quick, samples=4, repeats=1, tell=print)
    for size in (1, 4):
        assert latencies.trainer.seconds(size) >= 0.9 * 5 * size / 1000


def test_sizes_double_up_to_the_largest() -> None:
    assert [sizes(most) for most in (1, 4, 6)] == [[1], [1, 2, 4], [1, 2, 4, 6]]
