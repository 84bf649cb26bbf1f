from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from toys.plugin import toy_manifest, toy_plugins
from toys.state import saved_state

from rlvla.core import history
from rlvla.core.checkpoint import Checkpoints
from rlvla.core.errors import NoValidCheckpointError, PluginError, TrainingError
from rlvla.core.manifest import load
from rlvla.core.run import evaluate_run, resume_run, run_manifest

if TYPE_CHECKING:
    from pathlib import Path


def run(folder: Path, *overrides: str) -> Path:
    plugins = toy_plugins()
    return run_manifest(toy_manifest(folder, *overrides, plugins=plugins), plugins)


def rows_of(run_dir: Path) -> list[dict[str, Any]]:
    return history.read(run_dir / history.HISTORY)


def evaluations_of(run_dir: Path) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads((run_dir / "evaluations.json").read_text())
    return records


def assert_balanced(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        dropped = sum(count for name, count in row.items() if name.startswith("ledger/dropped_"))
        ended = row["ledger/trained"] + row["ledger/in_flight"] + dropped
        assert row["ledger/produced"] == ended


def test_a_run_learns_and_leaves_everything_behind(tmp_path: Path) -> None:
    run_dir = run(
        tmp_path, "budget.updates=30", "eval.every=10", "eval.videos=1", "simulator.cameras=1"
    )
    rows = rows_of(run_dir)
    assert [row["step"] for row in rows] == [*range(1, 31)]
    assert_balanced(rows)
    assert [row["ledger/trained"] for row in rows] == [32 * step for step in range(1, 31)]
    assert rows[-1]["budget/fraction"] == 1
    assert all(row["async/staleness_max"] <= 1 for row in rows)
    evaluations = evaluations_of(run_dir)
    moments = [one["moment"] for one in evaluations]
    assert [moments[0], *moments[-1:]] == ["before", "after"]
    assert moments[1:-1] == ["during", "during"]
    assert evaluations[0]["rate"] == 0
    assert evaluations[-1]["rate"] >= 0.8
    assert evaluations[-1]["version"] == 30
    first, last = (sum(row["rollout/success"] for row in part) for part in (rows[:5], rows[-5:]))
    assert last > first + 1
    assert json.loads((run_dir / "exit.json").read_text())["code"] == 0
    assert "<svg" in (run_dir / "report.html").read_text()
    assert len([*(run_dir / "videos").iterdir()]) == 4
    checkpoint = Checkpoints(run_dir / "checkpoints", keep=2).newest()
    assert checkpoint is not None
    assert checkpoint.step == 30
    assert (checkpoint.path / "tiny.safetensors").exists()


def test_decisions_of_other_versions_are_never_consumed_at_staleness_0(tmp_path: Path) -> None:
    run_dir = run(tmp_path, "async.max_staleness=0", "budget.updates=5", "model.chunk=2")
    rows = rows_of(run_dir)
    assert_balanced(rows)
    for row in rows:
        assert row["async/staleness_max"] == 0
        assert row["ledger/produced"] == row["ledger/trained"] == 32 * row["step"]


@pytest.mark.parametrize("eta", [1, 3])
def test_staleness_never_exceeds_its_bound(tmp_path: Path, eta: int) -> None:
    rows = rows_of(
        run(tmp_path, f"async.max_staleness={eta}", "budget.updates=8", "simulator.lanes=12")
    )
    assert_balanced(rows)
    assert 0 < max(row["async/staleness_max"] for row in rows) <= eta
    for row in rows:
        assert row["ledger/produced"] <= 32 * (row["step"] + eta + 1)


@pytest.mark.parametrize("stream", ["true", "false"])
def test_lockstep_is_a_run_like_any_other(tmp_path: Path, stream: str) -> None:
    synchronous = ("async.rollout=false", "async.max_staleness=0", f"async.stream={stream}")
    run_dir = run(tmp_path, *synchronous, "budget.updates=4")
    rows = rows_of(run_dir)
    assert_balanced(rows)
    assert rows[-1]["ledger/trained"] == 4 * 32
    assert all(row["async/batch_size"] == pytest.approx(4, abs=1.5) for row in rows)


PACES = {
    "synchronous": ("async.rollout=false", "async.stream=false"),
    "streaming": ("async.rollout=false", "async.stream=true"),
    "asynchronous": ("async.rollout=true", "schedulers.batching.max_wait_ms=60000"),
}


def test_at_staleness_0_the_asynchronous_run_learns_the_same_bit_for_bit(tmp_path: Path) -> None:
    states: list[dict[str, Any]] = []
    for pace, overrides in PACES.items():
        (tmp_path / pace).mkdir()
        run_dir = run(tmp_path / pace, "async.max_staleness=0", *overrides)
        (path,) = (run_dir / "checkpoints").iterdir()
        states.append(saved_state(path))
    for state in states[1:]:
        assert state.keys() == states[0].keys()
        for name, tensor in states[0].items():
            np.testing.assert_array_equal(state[name], tensor, err_msg=name)


PHASES = (
    "[{algorithm: {type: sft, demonstrations: 8, batch_size: 32, micro_batch_size: 8, lr: 0.1},"
    " budget: {updates: 3}},"
    " {algorithm: {type: ppo, batch_size: 32, micro_batch_size: 8}, budget: {updates: 2}}]"
)


def test_a_supervised_phase_hands_its_weights_to_the_next(tmp_path: Path) -> None:
    plugins = toy_plugins()
    path = tmp_path / "phases.yaml"
    toy_manifest(tmp_path, plugins=plugins)
    lines = (tmp_path / "toy.yaml").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(("algorithm", "budget"))]
    path.write_text("\n".join([*kept, f"phases: {PHASES}\n"]))
    run_dir = run_manifest(load(path, plugins.components), plugins)
    rows = rows_of(run_dir)
    assert [row["phase"] for row in rows] == ["sft"] * 3 + ["ppo"] * 2
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["ledger/trained"] for row in rows] == [0, 0, 0, 32, 64]
    assert rows[2]["train/imitation_loss"] < rows[0]["train/imitation_loss"]
    assert [one["moment"] for one in evaluations_of(run_dir)] == ["before", "after", "after"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("raise", "env_error"), ("nan", "nan"), ("shape", "contract"), ("dtype", "contract")],
)
def test_lost_episodes_are_counted_and_the_run_completes(
    tmp_path: Path, fault: str, reason: str
) -> None:
    rows = rows_of(run(tmp_path, f"simulator.fault={fault}", "simulator.after=15"))
    assert_balanced(rows)
    assert rows[-1]["ledger/trained"] == 3 * 32
    assert rows[-1][f"ledger/dropped_{reason}"] > 0


def test_a_simulator_that_always_fails_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(
        PluginError, match=r"lane \d: reset raised .*the line is broken.* 8 episodes"
    ):
        run(tmp_path, "simulator.fault=raise_in_reset", "simulator.after=1")
    ended = json.loads((tmp_path / "run" / "exit.json").read_text())
    assert ended["code"] == 3
    assert "the line is broken" in ended["message"]


def test_a_finished_run_can_be_resumed_with_a_larger_budget_and_judged(tmp_path: Path) -> None:
    run_dir = run(tmp_path, "eval.every=1", "checkpoint.every=1")
    plugins = toy_plugins()
    longer = toy_manifest(tmp_path, "budget.updates=5", plugins=plugins)
    assert resume_run(run_dir, longer, plugins) == run_dir
    rows = rows_of(run_dir)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    assert_balanced(rows)
    assert rows[-1]["ledger/trained"] == 5 * 32
    assert [one["moment"] for one in evaluations_of(run_dir)].count("before") == 1
    tally = evaluate_run(run_dir, longer, plugins, episodes=3)
    assert (tally.version, tally.episodes) == (5, 3)


def test_checkpoints_that_are_all_broken_are_never_replaced_by_a_fresh_start(
    tmp_path: Path,
) -> None:
    run_dir = run(tmp_path, "checkpoint.every=1")
    for path in run_dir.glob("checkpoints/*/tiny.safetensors"):
        path.write_bytes(b"torn")
    plugins = toy_plugins()
    manifest = toy_manifest(tmp_path, plugins=plugins)
    with pytest.raises(NoValidCheckpointError, match="none of the checkpoints"):
        resume_run(run_dir, manifest, plugins)
    assert json.loads((run_dir / "exit.json").read_text())["code"] == 6


def test_a_run_without_checkpoint_cannot_be_judged(tmp_path: Path) -> None:
    plugins = toy_plugins()
    with pytest.raises(TrainingError, match="holds no checkpoint to evaluate"):
        evaluate_run(tmp_path, toy_manifest(tmp_path, plugins=plugins), plugins, episodes=3)
