"""What waits for a later batch is seen before the weights that made it are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from toys.bench import Bench
from toys.plugin import toy_manifest, toy_plugins

from rlvla.core import history
from rlvla.core.errors import ManifestError, TrainingError
from rlvla.core.run import run_manifest
from rlvla.core.slots import FreeSlots
from rlvla.plugins.algorithms.ppo import PPO
from rlvla.plugins.proximals.interrupt import Interrupt

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 32
ALGORITHM = "algorithm={type: %s, lr: 0.3, micro_batch_size: 8, proximal: {type: %s}%s}"
STALE = ("async.max_staleness=2", "budget.updates=8")


def _bench() -> Bench:
    return Bench(
        PPO(batch_size=SIZE, micro_batch_size=8, epochs=2, lr=0.05, proximal=Interrupt()),
    )


def test_decisions_of_a_later_batch_are_scored_by_the_weights_that_made_them() -> None:
    bench = _bench()
    now, later = bench.segments(SIZE // 4), bench.segments(SIZE // 4)
    bench.trainer.accumulate(now)
    bench.trainer.foresee(later[:5])
    bench.trainer.foresee(later[5:])
    metrics = bench.trainer.step()
    assert metrics["proximal_bytes"] > SIZE  # what was found of each, until it arrives
    bench.trainer.publish(1).result()
    bench.trainer.accumulate(later[:3])
    bench.trainer.accumulate([*later[3:]])
    metrics = bench.trainer.step()
    assert metrics["weight_max"] == pytest.approx(1, abs=1e-5)
    assert metrics["weight"] == pytest.approx(1, abs=1e-5)
    assert abs(metrics["behaviour_log_ratio"]) > 1e-4
    assert metrics["proximal_bytes"] < SIZE


def test_fresh_and_foreseen_decisions_may_arrive_together() -> None:
    bench = _bench()
    now, later = bench.segments(SIZE // 4), bench.segments(4)
    bench.trainer.accumulate(now)
    bench.trainer.foresee(later)
    bench.trainer.step()
    bench.trainer.publish(1).result()
    fresh = bench.segments(4, version=1)
    bench.trainer.accumulate([fresh[0], *later, *fresh[1:]])
    assert bench.trainer.step()["weight_max"] == pytest.approx(1, abs=1e-5)


def test_a_decision_that_nobody_foresaw_is_refused() -> None:
    bench = _bench()
    now, later = bench.segments(SIZE // 4), bench.segments(SIZE // 4)
    bench.trainer.accumulate(now)
    bench.trainer.step()
    with pytest.raises(TrainingError, match="decision of version 0 is scored only now"):
        bench.trainer.accumulate(later)


def test_a_row_is_kept_for_who_looks_at_it_though_its_lane_lets_go() -> None:
    free = FreeSlots(1)
    slot = free.take()
    with free.kept([slot]):
        free.release([slot])
        assert len(free) == 0
    assert len(free) == 1


def test_a_row_forgets_its_decision_when_nobody_holds_it() -> None:
    free = FreeSlots(3)
    slot = free.take()
    free.hold(slot)
    free.decided(slot, lane=4, version=7)
    free.release([slot])
    assert free.decisions == {slot: (4, 7)}
    free.release([slot])
    assert free.decisions == {}


def _rows(folder: Path, algorithm: str, proximal: str, runtime: str) -> list[dict[str, Any]]:
    size = ", group_size: 4, batch_size: 8" if algorithm == "grpo" else ", batch_size: 32"
    manifest = toy_manifest(
        folder,
        ALGORITHM % (algorithm, proximal, f"{size}, epochs: 2"),
        f"runtime={{type: {runtime}}}",
        *STALE,
    )
    run_dir = run_manifest(manifest, toy_plugins())
    return history.read(run_dir / history.HISTORY)


@pytest.mark.parametrize("algorithm", ["ppo", "grpo"])
@pytest.mark.parametrize("runtime", ["inline", "local"])
@pytest.mark.parametrize("proximal", ["interrupt", "old_logit_model"])
def test_in_a_run_the_proximal_policy_is_exactly_the_one_that_decided(
    tmp_path: Path, algorithm: str, runtime: str, proximal: str
) -> None:
    rows = _rows(tmp_path, algorithm, proximal, runtime)
    assert len(rows) == 8
    assert max(row["async/staleness_max"] for row in rows) > 0
    for row in rows:
        assert row["train/weight_max"] == pytest.approx(1, abs=1e-4)
        assert row["train/weight"] == pytest.approx(1, abs=1e-4)


def test_other_weights_than_those_that_decided_would_show(tmp_path: Path) -> None:
    rows = _rows(tmp_path, "ppo", "recompute", "inline")
    assert max(row["train/weight_max"] for row in rows) > 1.01


@pytest.mark.parametrize(
    ("override", "asks"),
    [
        ("deterministic=true", "deterministic"),
        ("async.consistent_groups=true", "async.consistent_groups"),
    ],
)
@pytest.mark.parametrize(("proximal", "most"), [("interrupt", 0), ("old_logit_model", 1)])
def test_a_manifest_by_which_older_weights_go_on_to_decide_is_refused(
    tmp_path: Path, override: str, asks: str, proximal: str, most: int
) -> None:
    algorithm = ALGORITHM % ("grpo", proximal, ", group_size: 4, batch_size: 8")
    stale = f"async.max_staleness={most + 1}"
    with pytest.raises(ManifestError, match=f"excludes '{asks}: true'.* is at most {most}"):
        toy_manifest(tmp_path, algorithm, override, stale)
    fresh = toy_manifest(tmp_path, algorithm, override, f"async.max_staleness={most}")
    assert fresh.asynchrony.max_staleness == most
