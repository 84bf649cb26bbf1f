"""Runs whose algorithm compares episodes, from a manifest to its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from toys.plugin import toy_plugins, write_toy_manifest
from toys.state import saved_state

from rlvla.core import history
from rlvla.core.errors import ManifestError
from rlvla.core.manifest import load
from rlvla.core.run import evaluate_run, resume_run, run_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.settings import Manifest

OPTIONS = "type: grpo, group_size: 4, batch_size: 16, micro_batch_size: 8, lr: 0.3"
LOCAL = "runtime={type: local}"
DETERMINISTIC = ("deterministic=true", "checkpoint.every=2")


def manifest_of(folder: Path, *overrides: str, options: str = "") -> Manifest:
    folder.mkdir(exist_ok=True)
    grpo = (f"algorithm={{{OPTIONS}{options}}}", "budget.updates=4")
    components = toy_plugins().components
    return load(write_toy_manifest(folder), components, overrides=(*grpo, *overrides))


def run(folder: Path, *overrides: str, options: str = "") -> Path:
    return run_manifest(manifest_of(folder, *overrides, options=options), toy_plugins())


def rows_of(run_dir: Path) -> list[dict[str, Any]]:
    return history.read(run_dir / history.HISTORY)


def state_of(run_dir: Path) -> dict[str, Any]:
    """Return what the newest checkpoint holds."""
    return saved_state(max((run_dir / "checkpoints").glob("step-*")))


def assert_equal(states: list[dict[str, Any]]) -> None:
    for state in states[1:]:
        for name, tensor in states[0].items():
            np.testing.assert_array_equal(state[name], tensor, err_msg=name)


@pytest.mark.parametrize("runtime", ["inline", "local"])
def test_a_run_learns_from_groups(tmp_path: Path, runtime: str) -> None:
    run_dir = run(tmp_path, "budget.updates=25", f"runtime={{type: {runtime}}}")
    rows = rows_of(run_dir)
    assert [row["step"] for row in rows] == [*range(1, 26)]
    first, last = (sum(row["rollout/success"] for row in part) for part in (rows[:5], rows[-5:]))
    assert last > first + 1
    assert all(row["async/staleness_max"] <= 1 for row in rows)
    assert not any("dropped" in name for name in rows[-1])
    trained = [row["ledger/trained"] for row in rows]
    assert 16 <= trained[0] <= 16 * 6, "between one decision an episode and all"


def test_at_staleness_0_the_asynchronous_run_learns_the_same_bit_for_bit(tmp_path: Path) -> None:
    paces = {
        "synchronous": ("async.rollout=false", "async.stream=false"),
        "streaming": ("async.rollout=false", "async.stream=true"),
        "asynchronous": ("async.rollout=true", "schedulers.batching.max_wait_ms=60000"),
    }
    states: list[dict[str, Any]] = []
    for pace, overrides in paces.items():
        run_dir = run(tmp_path / pace, "async.max_staleness=0", *overrides)
        rows = rows_of(run_dir)
        assert all(row["ledger/produced"] == row["ledger/trained"] for row in rows)
        states.append(state_of(run_dir))
    assert_equal(states)


def test_a_deterministic_run_repeats_itself_whatever_the_timing_and_what_is_lost(
    tmp_path: Path,
) -> None:
    ways = {
        "plain": (),
        "lanes in lockstep": ("async.rollout=false",),
        "processes": (LOCAL, "simulator.jitter_s=0.002"),
        "crashes": (LOCAL, "simulator.fault=kill", "simulator.after=40"),
        "errors": ("simulator.fault=raise", "simulator.after=23"),
    }
    states: list[dict[str, Any]] = []
    for way, overrides in ways.items():
        run_dir = run(tmp_path / way.replace(" ", "_"), *DETERMINISTIC, *overrides)
        rows = rows_of(run_dir)
        assert not {name for name in rows[-1] if "dropped" in name}
        states.append(state_of(run_dir))
    assert_equal(states)


def test_a_deterministic_run_that_is_resumed_ends_like_one_that_was_not(tmp_path: Path) -> None:
    plain = run(tmp_path / "plain", *DETERMINISTIC)
    half = run(tmp_path / "half", *DETERMINISTIC, "budget.updates=2")
    manifest = manifest_of(tmp_path / "half", *DETERMINISTIC)
    resumed = resume_run(half, manifest, toy_plugins())
    assert_equal([state_of(plain), state_of(resumed)])


def test_a_run_goes_on_with_new_groups(tmp_path: Path) -> None:
    half = run(tmp_path, "budget.updates=2", "checkpoint.every=2")
    resumed = resume_run(half, manifest_of(tmp_path, "budget.updates=5"), toy_plugins())
    rows = rows_of(resumed)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[-1]["ledger/trained"] > rows[1]["ledger/trained"]
    evaluate_run(resumed, manifest_of(tmp_path), toy_plugins(), episodes=2)


def test_what_is_lost_is_played_again(tmp_path: Path) -> None:
    run_dir = run(tmp_path, LOCAL, "simulator.fault=kill", "simulator.after=40")
    row = rows_of(run_dir)[-1]
    assert row["step"] == 4
    assert row["ledger/dropped_crash"] > 0
    dropped = sum(count for name, count in row.items() if name.startswith("ledger/dropped_"))
    assert row["ledger/produced"] == row["ledger/trained"] + row["ledger/in_flight"] + dropped


def test_groups_of_one_version_can_be_asked_for(tmp_path: Path) -> None:
    run_dir = run(
        tmp_path, "async.consistent_groups=true", "async.max_staleness=3", "simulator.lanes=7"
    )
    assert rows_of(run_dir)[-1]["step"] == 4


def test_groups_without_contrast_are_dropped_and_others_played(tmp_path: Path) -> None:
    run_dir = run(tmp_path, options=", filter: resample, filter_low: 0.2, filter_high: 0.8")
    row = rows_of(run_dir)[-1]
    assert row["step"] == 4
    assert row["ledger/dropped_filtered"] > 0
    assert row["async/staleness_max"] <= 1


def test_a_model_needs_no_critic(tmp_path: Path) -> None:
    run_dir = run(tmp_path, "model.critic=false")
    assert rows_of(run_dir)[-1]["train/grad_norm"] > 0


@pytest.mark.parametrize(
    ("overrides", "options", "message"),
    [
        (("deterministic=true",), ", filter: resample", "excludes 'deterministic: true'"),
        (
            ("algorithm={type: ppo}", "async.consistent_groups=true"),
            "",
            "consistent_groups: needs an algorithm that compares episodes in groups, ppo has none",
        ),
        (("algorithm.group_size=5",), "", "group_size must divide batch_size, 16, got 5"),
    ],
)
def test_contradictions_are_explained(
    tmp_path: Path, overrides: tuple[str, ...], options: str, message: str
) -> None:
    with pytest.raises(ManifestError, match=message):
        manifest_of(tmp_path, *overrides, options=options)
