from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toys.plugin import toy_manifest, toy_plugins
from toys.processes import simulators_of

from rlvla.core import history
from rlvla.core.elsewhere import Elsewhere
from rlvla.core.errors import ManifestError, PluginError, PreflightError
from rlvla.core.run import run_manifest

from .test_local import Meanwhile

HERE = f"simulator.python={sys.executable}"
"""Another environment in all but name: the worker gets nothing but what is lent to it."""


@pytest.fixture(scope="session")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment that holds numpy 1 and nothing else."""
    folder = tmp_path_factory.mktemp("environments") / "old"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin/python", "-m", "pip", "install", "-q", "--only-binary", ":all:"]
    done = subprocess.run([*pip, "numpy==1.26.4"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot install numpy 1.26.4: {done.stderr.strip().splitlines()[-1]}")
    return folder


def test_a_simulator_trains_under_a_numpy_that_clashes_with_ours_and_is_killed_often(
    tmp_path: Path, old: Path
) -> None:
    logs, killed, maps = tmp_path / "run" / "workers", list[int](), list[str]()

    def kill() -> bool:
        simulators = simulators_of(logs)
        if (tmp_path / "run" / "evaluations.json").exists() and simulators:
            maps.append(Path(f"/proc/{simulators[0]}/maps").read_text())
            killed.append(random.choice(simulators))
            os.kill(killed[-1], signal.SIGKILL)
            time.sleep(0.5)
        return len(killed) < 4

    plugins = toy_plugins()
    settings = ("runtime={type: local}", f"simulator.python={old}", "simulator.delay_s=0.005")
    manifest = toy_manifest(tmp_path, *settings, "budget.updates=30", plugins=plugins)
    with Meanwhile(kill):
        rows = history.read(run_manifest(manifest, plugins) / history.HISTORY)
    assert len(killed) >= 3
    assert any(str(old / "lib") in text for text in maps)  # numpy's own libraries
    assert rows[-1]["ledger/trained"] == 30 * 32
    assert rows[-1]["ledger/dropped_crash"] > 0
    for row in rows:
        dropped = sum(count for name, count in row.items() if name.startswith("ledger/dropped_"))
        assert row["ledger/produced"] == row["ledger/trained"] + row["ledger/in_flight"] + dropped


def test_spec_and_tasks_are_those_that_the_simulator_tells_in_its_interpreter(
    tmp_path: Path,
) -> None:
    here = toy_manifest(tmp_path)
    there = toy_manifest(tmp_path, HERE)
    assert isinstance(there.simulator, Elsewhere)
    assert there.simulator.spec == here.simulator.spec
    assert there.simulator.tasks == tuple(here.simulator.tasks)
    assert there.plain["simulator"] == {**here.plain["simulator"], "python": sys.executable}


def test_an_interpreter_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=r"simulator\.python: no interpreter at .*/nowhere;"):
        toy_manifest(tmp_path, f"simulator.python={tmp_path}/nowhere")


def test_an_environment_without_numpy_is_told(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    with pytest.raises(PreflightError, match=r"simulator\.python: .* it has no numpy"):
        toy_manifest(tmp_path, f"simulator.python={bare}")


def test_what_is_no_python_is_told(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"simulator\.python: .* ended with exit code 1"):
        toy_manifest(tmp_path, "simulator.python=/bin/false")


def test_an_option_that_is_refused_there_is_told_at_its_place(tmp_path: Path) -> None:
    settings = f"simulator={{type: gymnasium, env: Nowhere-v0, python: {sys.executable}}}"
    with pytest.raises(ManifestError, match=r"simulator\.env: .*env 'Nowhere-v0' cannot be made"):
        toy_manifest(tmp_path, settings)


def test_a_runtime_without_processes_refuses_another_interpreter(tmp_path: Path) -> None:
    plugins = toy_plugins()
    manifest = toy_manifest(tmp_path, HERE, "runtime={type: inline}", plugins=plugins)
    with pytest.raises(PluginError, match=r"simulator\.python needs a worker process"):
        run_manifest(manifest, plugins)
