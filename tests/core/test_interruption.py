from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from toys.plugin import installed_environment, write_toy_manifest
from toys.processes import gone_within, workers_of

from rlvla.core import history
from rlvla.core.run_dir import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    Command = Callable[..., subprocess.Popen[str]]

SLOW = ("-s", "simulator.delay_s=0.004", "-s", "checkpoint.every=2", "-s", "budget.updates=12")
LOCAL = ("-s", "runtime={type: local}")


@pytest.fixture(name="rlvla")
def command_line(tmp_path: Path) -> Generator[Command]:
    """Start `python -m rlvla` with the toys installed, in a folder of its own."""
    environment = installed_environment(tmp_path)
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "rlvla", *map(str, arguments)],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(path: Path, pattern: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not any(path.glob(pattern)):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.001)  # a checkpoint is being written for a few milliseconds only


def ended(process: subprocess.Popen[str], within: float = 90) -> tuple[int, str]:
    _, words = process.communicate(timeout=within)
    return process.returncode, words


def rows_of(run_dir: Path) -> list[dict[str, Any]]:
    return history.read(run_dir / history.HISTORY)


@pytest.mark.parametrize(
    ("runtime", "after", "delay"),
    [
        pytest.param("local", "manifest.resolved.yaml", 0.0, id="start-up"),
        pytest.param("inline", "versions.json", 2.0, id="first evaluation"),
        pytest.param("local", "checkpoints/step-*", 0.3, id="training"),
        pytest.param("inline", "checkpoints/*", 0.0, id="saving"),
    ],
)
def test_a_run_that_is_stopped_saves_and_finishes_when_resumed(
    tmp_path: Path, rlvla: Command, runtime: str, after: str, delay: float
) -> None:
    run_dir = tmp_path / "run"
    runs_on = ("-s", f"runtime={{type: {runtime}}}")
    process = rlvla("run", write_toy_manifest(tmp_path), *SLOW, *runs_on)
    wait_for(run_dir, after, process)
    time.sleep(random.uniform(0, delay))
    process.send_signal(signal.SIGTERM if runtime == "local" else signal.SIGINT)
    code, words = ended(process)
    assert code == 75, words
    assert f"stopped; continue with `rlvla resume {run_dir}`" in words
    assert json.loads((run_dir / "exit.json").read_text())["code"] == 75
    assert gone_within(2, process.pid)
    code, words = ended(rlvla("resume", run_dir))
    assert code == 0, words
    rows = rows_of(run_dir)
    assert [row["step"] for row in rows] == [*range(1, 13)]
    assert rows[-1]["ledger/trained"] == 12 * 32
    for row in rows:
        dropped = sum(count for name, count in row.items() if name.startswith("ledger/dropped_"))
        assert row["ledger/produced"] == 32 * row["step"] + dropped + row["ledger/in_flight"]


def test_a_killed_run_takes_its_workers_with_it_and_is_resumed_from_what_is_whole(
    tmp_path: Path, rlvla: Command
) -> None:
    run_dir = tmp_path / "run"
    process = rlvla("run", write_toy_manifest(tmp_path), *SLOW, *LOCAL)
    wait_for(run_dir, "checkpoints/step-*", process)
    assert len(workers_of(process.pid)) == 4
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert gone_within(2, process.pid)
    code, words = ended(rlvla("resume", run_dir))
    assert code == 0, words
    assert [row["step"] for row in rows_of(run_dir)] == [*range(1, 13)]
    for path in run_dir.glob("checkpoints/*/optimizer.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    code, words = ended(rlvla("resume", run_dir))
    assert code == 6
    assert "rlvla: error[6]: none of the checkpoints in" in words


def test_a_folder_that_another_run_owns_is_refused(tmp_path: Path, rlvla: Command) -> None:
    run_dir = tmp_path / "run"
    code, words = ended(rlvla("run", write_toy_manifest(tmp_path)))
    assert code == 0, words
    with locked(run_dir):
        code, words = ended(rlvla("resume", run_dir))
    assert code == 4
    assert f"{run_dir} is in use by process {os.getpid()} on" in words


def test_a_second_signal_ends_a_run_at_once(tmp_path: Path, rlvla: Command) -> None:
    slow = ("-s", "simulator.delay_s=1", *LOCAL)
    process = rlvla("run", write_toy_manifest(tmp_path), *slow)
    wait_for(tmp_path / "run", "workers/trainer.log", process)
    time.sleep(4)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    code, words = ended(process, within=12)
    assert code == 75, words
    assert gone_within(2, process.pid)


def test_a_signal_after_the_last_words_does_not_change_the_exit_code(
    tmp_path: Path, rlvla: Command
) -> None:
    process = rlvla("run", write_toy_manifest(tmp_path), *SLOW)
    wait_for(tmp_path / "run", "versions.json", process)
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    assert any("stopped; continue with" in line for line in process.stderr)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 75
