"""One hash of the final weights, whatever happens on the way."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from toys.plugin import installed_environment, toy_manifest, toy_plugins, write_toy_manifest
from toys.processes import simulators_of
from toys.state import saved_state

from rlvla.core import history
from rlvla.core.run import run_manifest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

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


@contextmanager
def killing_simulators(run_dir: Path, seed: int) -> Generator[list[int]]:
    """Send SIGKILL to simulator workers at random, from the first update to the end."""
    dice, ended, killed = random.Random(seed), threading.Event(), list[int]()

    def kill() -> None:
        while not ended.wait(dice.uniform(0.2, 0.6)):
            found = simulators_of(run_dir / "workers")
            if found and updates_of(run_dir):
                with suppress(ProcessLookupError):
                    os.kill(dice.choice(found), signal.SIGKILL)
                    killed.append(updates_of(run_dir))

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


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


def test_a_run_that_is_stopped_and_resumed_ends_with_the_same_weights(
    tmp_path: Path, plain: str
) -> None:
    environment = installed_environment(tmp_path)

    def rlvla(*words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "rlvla", *words]
        return subprocess.Popen(command, env=environment, cwd=tmp_path)

    run_dir = tmp_path / "run"
    options = _flags([*FIXED, LOCAL, "simulator.delay_s=0.008"])
    process = rlvla("run", str(write_toy_manifest(tmp_path)), *options)
    for stop, step, code in (
        (signal.SIGINT, 2, 75),
        (signal.SIGINT, 6, 75),
        (signal.SIGKILL, 9, -9),
    ):
        _wait_until(run_dir, step, process)
        process.send_signal(stop)
        assert process.wait(30) == code
        process = rlvla("resume", str(run_dir))
    assert process.wait(60) == 0
    assert [row["step"] for row in history.read(run_dir / history.HISTORY)] == [*range(1, 11)]
    assert hash_of(run_dir) == plain


def test_other_seeds_and_orders_give_other_weights(tmp_path: Path, plain: str) -> None:
    changes = ("seed=5", "async.max_staleness=0", "checkpoint.every=5")
    hashes = {hash_of(run(tmp_path / change[:4], change)) for change in changes}
    assert len(hashes | {plain}) == 4


def updates_of(run_dir: Path) -> int:
    """Return how many updates are logged."""
    path = run_dir / history.HISTORY
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _flags(overrides: list[str]) -> list[str]:
    return [word for one in overrides for word in ("-s", one)]


def _wait_until(run_dir: Path, step: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while updates_of(run_dir) < step:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
