"""One hash of the final weights, whatever happens on the way."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from toys.plugin import installed_environment, toy_manifest, toy_plugins, write_toy_manifest
from toys.state import saved_state
from toys.trouble import killing_simulators, signalling

from rlvla.core import history
from rlvla.core.manifest import load
from rlvla.core.run import StoppedError, resume_run, run_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FIXED = ("deterministic=true", "checkpoint.every=4", "budget.updates=10", "async.segment=2")
LOCAL = "runtime={type: local}"


def run(folder: Path, *overrides: str) -> Path:
    folder.mkdir(exist_ok=True)
    plugins = toy_plugins()
    manifest = toy_manifest(folder, *FIXED, *overrides, plugins=plugins)
    return run_manifest(manifest, plugins)


def hash_of(run_dir: Path) -> str:
    """Return a hash of the trainer's final state, after checking that nothing was dropped."""
    last = history.read(run_dir / history.HISTORY)[-1]
    assert last["step"] == 10
    assert last["ledger/trained"] == 320
    assert {name for name in last if "dropped" in name} <= {"ledger/dropped_shutdown"}
    state = saved_state(max((run_dir / "checkpoints").glob("step-000000010*")))
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode() + state[name].tobytes())
    return digest.hexdigest()


@pytest.fixture(name="plain", scope="module")
def plain_hash(tmp_path_factory: pytest.TempPathFactory) -> str:
    return hash_of(run(tmp_path_factory.mktemp("plain") / "toy"))


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param([LOCAL, "simulator.jitter_s=0.004"], id="processes with random delays"),
        pytest.param(["schedulers.sharding.shards=4"], id="other workers"),
        pytest.param(
            ["schedulers.batching={type: lockstep}", "eval.every=3"], id="evaluations in lockstep"
        ),
        pytest.param(["simulator.fault=raise", "simulator.after=17"], id="lost episodes"),
        pytest.param(["simulator.fault=raise_in_reset", "simulator.after=4"], id="lost resets"),
    ],
)
def test_pace_workers_and_losses_do_not_change_the_weights(
    tmp_path: Path, plain: str, overrides: list[str]
) -> None:
    assert hash_of(run(tmp_path, *overrides)) == plain


def test_simulators_that_are_killed_do_not_change_the_weights(tmp_path: Path, plain: str) -> None:
    with killing_simulators(tmp_path / "run", seed=1) as killed:
        run_dir = run(tmp_path, LOCAL, "simulator.delay_s=0.01")
    assert len(killed) >= 3, killed
    assert hash_of(run_dir) == plain


def test_a_command_that_is_stopped_and_resumed_ends_with_the_same_weights(
    tmp_path: Path, plain: str
) -> None:
    environment = installed_environment(tmp_path)

    def rlvla(*words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "rlvla", *words]
        return subprocess.Popen(command, env=environment, cwd=tmp_path)

    run_dir = tmp_path / "run"
    options = [word for one in (*FIXED, LOCAL, "simulator.delay_s=0.001") for word in ("-s", one)]
    process = rlvla("run", str(write_toy_manifest(tmp_path)), *options)
    with signalling(process.pid, run_dir, step=6):
        assert process.wait(60) == 75
    assert rlvla("resume", str(run_dir)).wait(60) == 0
    assert [row["step"] for row in history.read(run_dir / history.HISTORY)] == [*range(1, 11)]
    assert hash_of(run_dir) == plain


def test_wherever_a_run_is_stopped_it_ends_with_the_same_weights(
    tmp_path: Path, plain: str
) -> None:
    plugins = toy_plugins()
    manifest = toy_manifest(tmp_path, *FIXED, "simulator.delay_s=0.001", plugins=plugins)
    with signalling(os.getpid(), tmp_path / "run", step=1), pytest.raises(StoppedError):
        run_manifest(manifest, plugins)
    assert not (tmp_path / "run" / "checkpoints").exists()
    for step in (3, 6, 9):
        with signalling(os.getpid(), tmp_path / "run", step=step), pytest.raises(StoppedError):
            resume_run(tmp_path / "run", manifest, plugins)
    assert hash_of(resume_run(tmp_path / "run", manifest, plugins)) == plain


PHASES = """
phases:
- algorithm: {type: sft, demonstrations: 8, batch_size: 32, micro_batch_size: 8, lr: 0.1}
  budget: {updates: 3}
- algorithm: {type: ppo, batch_size: 32, micro_batch_size: 8, lr: 0.1}
  budget: {updates: 7}
"""


def test_demonstrations_that_are_lost_are_repeated_and_later_phases_start_anew(
    tmp_path: Path,
) -> None:
    states: list[dict[str, NDArray[np.float32]]] = []
    for fault in ("none", "raise"):
        (tmp_path / fault).mkdir()
        lines = write_toy_manifest(tmp_path / fault).read_text().splitlines()
        kept = [line for line in lines if not line.startswith(("algorithm", "budget"))]
        path = tmp_path / fault / "phases.yaml"
        path.write_text("\n".join(kept) + PHASES)
        plugins = toy_plugins()
        overrides = (*FIXED[:2], f"simulator.fault={fault}", "simulator.after=9")
        run_dir = run_manifest(load(path, plugins.components, overrides=overrides), plugins)
        states.append(saved_state(run_dir / "checkpoints" / "step-000000010"))
    for name, tensor in states[0].items():
        np.testing.assert_array_equal(tensor, states[1][name], err_msg=name)


def test_other_seeds_and_orders_give_other_weights(tmp_path: Path, plain: str) -> None:
    changes = ("seed=5", "async.max_staleness=0", "checkpoint.every=5")
    hashes = {hash_of(run(tmp_path / change[:4], change)) for change in changes}
    assert len(hashes | {plain}) == 4
