from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from toys.plugin import toy_manifest, toy_plugins
from toys.prepared import LAMP
from toys.processes import listening, simulators_of, workers_of

from rlvla.core import history
from rlvla.core.errors import PluginError, PreflightError, RlvlaError, TrainingError
from rlvla.core.run import run_manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def run(folder: Path, *overrides: str) -> list[dict[str, Any]]:
    plugins = toy_plugins()
    manifest = toy_manifest(folder, "runtime={type: local}", *overrides, plugins=plugins)
    run_dir = run_manifest(manifest, plugins)
    rows = history.read(run_dir / history.HISTORY)
    for row in rows:
        dropped = sum(count for name, count in row.items() if name.startswith("ledger/dropped_"))
        assert row["ledger/produced"] == (row["ledger/trained"] + row["ledger/in_flight"] + dropped)
    return rows


class Meanwhile(threading.Thread):
    """Does something beside a run until it is over."""

    def __init__(self, deed: Callable[[], bool]) -> None:
        super().__init__(daemon=True)
        self._deed = deed
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.02) and self._deed():
            pass

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


def test_workers_are_light_open_no_port_and_die_often_and_the_run_completes(
    tmp_path: Path,
) -> None:
    logs, killed, heard = tmp_path / "run" / "workers", list[int](), list[str]()

    def kill() -> bool:
        heard.extend(line for pid in [os.getpid(), *workers_of()] for line in _ears(pid))
        simulators = simulators_of(logs)
        if (tmp_path / "run" / "evaluations.json").exists() and simulators:
            killed.append(random.choice(simulators))
            os.kill(killed[-1], signal.SIGKILL)
            time.sleep(0.3)
        return len(killed) < 6

    with Meanwhile(kill):
        rows = run(
            tmp_path,
            *("budget.updates=40", "simulator.light=true", "simulator.delay_s=0.005"),
            *("simulator.cameras=1", "eval.every=10"),
        )
    assert len(killed) >= 4
    assert heard == []
    assert [row["step"] for row in rows] == [*range(1, 41)]
    assert rows[-1]["ledger/trained"] == 40 * 32
    assert rows[-1]["ledger/dropped_crash"] > 0
    assert all(row["async/staleness_max"] <= 1 for row in rows)
    moments = [one["moment"] for one in json.loads((tmp_path / "run/evaluations.json").read_text())]
    assert moments == ["before", "during", "during", "during", "after"]


def _ears(pid: int) -> list[str]:
    try:
        return listening(pid)
    except OSError:  # it ended meanwhile
        return []


@pytest.mark.parametrize(
    ("fault", "reason", "told"), [("exit", "crash", "crash"), ("hang", "hang", "step_timeout")]
)
def test_a_worker_that_ends_or_hangs_is_replaced(
    tmp_path: Path, fault: str, reason: str, told: str
) -> None:
    rows = run(
        tmp_path,
        *(f"simulator.fault={fault}", "simulator.after=40", f"simulator.once={tmp_path / 'once'}"),
        "runtime={type: local, step_timeout_s: 0.5}",
    )
    assert (tmp_path / "once").exists()
    assert rows[-1]["ledger/trained"] == 3 * 32
    assert rows[-1][f"replaced/{told}"] == 1
    lost = {name for name in rows[-1] if name.startswith("ledger/dropped_")}
    assert lost <= {f"ledger/dropped_{reason}"}


def test_workers_are_recycled_and_nothing_is_lost(tmp_path: Path) -> None:
    rows = run(tmp_path, "runtime={type: local, recycle: {episodes: 7}}", "budget.updates=8")
    assert rows[-1]["ledger/trained"] == 8 * 32
    assert rows[-1]["replaced/recycled"] > 2
    assert not any(name.startswith("ledger/dropped_") for name in rows[-1])


def test_what_a_simulator_breaks_is_dropped_and_told_in_its_log(tmp_path: Path) -> None:
    rows = run(tmp_path, "simulator.fault=nan", "simulator.after=20")
    assert rows[-1]["ledger/dropped_nan"] > 0
    words = "".join(path.read_text() for path in (tmp_path / "run/workers").glob("simulator*"))
    assert "LaneLostError: lane " in words
    assert "'proprio' is not finite" in words


def test_a_generator_that_dies_is_replaced_and_costs_nothing(tmp_path: Path) -> None:
    rows = run(tmp_path, "model.fault=act:20")
    assert rows[-1]["ledger/trained"] == 3 * 32
    assert not any(name.startswith("ledger/dropped_") for name in rows[-2])


def test_cores_that_are_not_there_are_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=r"^placement\.trainer\.cores: no core 4096 for this"):
        run(tmp_path, "placement={trainer: {cores: [0, 4096]}}")


def test_what_a_simulator_finds_out_before_its_workers_start_they_inherit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LAMP, "out")  # and put back after the test
    prepared = f"simulator={{type: prepared, python: {sys.executable}}}"
    assert run(tmp_path, prepared, "budget.updates=1")[-1]["ledger/trained"] == 32


def test_what_a_simulator_lacks_is_told_before_any_worker_starts(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=r"^simulator: there is no lamp, buy one$"):
        run(tmp_path, "simulator={type: prepared, dark: true}")
    assert not [*(tmp_path / "run" / "workers").glob("*")]


def test_a_worker_that_dies_while_it_starts_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"ended with exit code 9; .*; it did not even start"):
        run(tmp_path, "model.fault=build")


def test_a_simulator_that_always_dies_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"simulator-\d ended with exit code 7; .* in a row"):
        run(tmp_path, "simulator.fault=exit", "simulator.after=1")
    assert json.loads((tmp_path / "run" / "exit.json").read_text())["code"] == 3


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        ("act:1", TrainingError, "generator-0 ended with exit code 9; .*; 3 generators in a row"),
        ("evaluate:6", TrainingError, "trainer ended with exit code 9; .*`rlvla resume`"),
        ("act!", PluginError, "RuntimeError: the network is broken"),
        ("build!", PluginError, "could not be started: RuntimeError: the network is broken"),
    ],
)
def test_a_model_that_dies_or_raises_ends_the_run_at_once(
    tmp_path: Path, model: str, error: type[RlvlaError], words: str
) -> None:
    began = time.monotonic()
    with pytest.raises(error, match=words):
        run(tmp_path, f"model.fault={model}")
    assert time.monotonic() - began < 20
    ended = json.loads((tmp_path / "run" / "exit.json").read_text())
    assert ended["code"] == error.exit_code
