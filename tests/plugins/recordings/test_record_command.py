"""`rlvla record`: from what plays in a simulator to a dataset that is learned from."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from toys.line import Line
from toys.plugin import installed_environment, write_toy_manifest

from rlvla.core.errors import PluginError, PreflightError
from rlvla.core.starts import Starts
from rlvla.plugins.extras import needed
from rlvla.plugins.recordings.lerobot import LeRobot
from rlvla.plugins.recordings.playing import PATIENCE, Player

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., subprocess.CompletedProcess[str]]

CAMERA = ("-s", "simulator.cameras=1")


@pytest.fixture(name="rlvla")
def command_line(tmp_path: Path) -> Command:
    """Run `python -m rlvla` with the toys installed, in a folder of its own."""
    environment = installed_environment(tmp_path)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rlvla", *map(str, arguments)],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_what_an_expert_does_is_recorded_and_learned_from(tmp_path: Path, rlvla: Command) -> None:
    pytest.importorskip("pyarrow", reason="needs pyarrow, the extra `datasets`")
    manifest, out = write_toy_manifest(tmp_path), tmp_path / "data"
    done = rlvla("record", manifest, "--out", out, "--episodes", 4, *CAMERA)
    assert done.returncode == 0, done.stderr
    assert "4/4: " in done.stderr
    line = Line(cameras=1)
    line.start(1)
    expected = Player(line, lambda _: line.expert(0)[None]).successes(Starts(line.tasks, seed=4))
    read = [*LeRobot(path=out).episodes(line.spec)]
    assert len(read) == 4
    for one, other in zip(read, expected, strict=False):
        assert one.instruction == other.instruction
        np.testing.assert_array_equal(one.actions, other.actions)
        np.testing.assert_array_equal(one.images["top"], other.images["top"])
    sft = f"{{type: sft, lr: 0.1, batch_size: 32, recording: {{type: lerobot, path: {out}}}}}"
    done = rlvla("run", manifest, *CAMERA, "-s", f"algorithm={sft}", "-s", "budget.updates=20")
    assert done.returncode == 0, done.stderr
    out.rename(tmp_path / "elsewhere")
    assert rlvla("resume", tmp_path / "run").returncode == 2
    done = rlvla("record", "--run", tmp_path / "run", "--out", tmp_path / "own", "--episodes", 2)
    assert done.returncode == 0, done.stderr
    assert len([*LeRobot(path=tmp_path / "own").episodes(line.spec)]) == 2
    done = rlvla("record", "--run", tmp_path / "run", "--out", tmp_path / "own")
    assert done.returncode == 4
    assert "own exists: remove it, or name another folder" in done.stderr


def test_a_simulator_without_an_expert_needs_a_policy(tmp_path: Path, rlvla: Command) -> None:
    manifest, gym = write_toy_manifest(tmp_path), "simulator={type: gymnasium, env: CartPole-v1}"
    done = rlvla(
        *("record", manifest, "--out", tmp_path / "data", "-s", gym, "-s", "model={type: mlp}")
    )
    assert done.returncode == 2
    assert "simulator 'gymnasium' has no expert; record a policy, by --run" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_run_is_not_played_with_the_manifest_of_another(tmp_path: Path, rlvla: Command) -> None:
    done = rlvla("record", "quickstart", "--run", tmp_path, "--out", tmp_path / "data")
    assert done.returncode == 2
    assert "MANIFEST quickstart and --run exclude each other" in done.stderr


def test_only_successes_are_recorded_and_there_must_be_some() -> None:
    line = Line()
    line.start(1)
    idle = Player(line, lambda _: np.zeros((1, 1), np.float32))
    with pytest.raises(PluginError, match=rf"^{PATIENCE} episodes in a row failed"):
        next(idle.successes(Starts(line.tasks, seed=0)))
    right = Player(line, lambda _: np.ones((2, 1), np.float32))
    played = right.successes(Starts(line.tasks, seed=0))
    assert {next(played).instruction for _ in range(5)} == {"go right"}


def test_what_the_simulator_cuts_is_not_recorded() -> None:
    line = Line()
    line.start(1)
    wild = Player(line, lambda _: np.full((1, 1), 7.0, np.float32))
    actions = next(wild.successes(Starts(line.tasks, seed=0))).actions
    assert actions.dtype == np.float32
    assert actions.max() == 1


def test_a_missing_package_is_named_with_its_extra() -> None:
    with pytest.raises(PreflightError, match=r"'no_such'; pip install 'rlvla\[datasets\]'"):
        needed("no_such.module", extra="datasets")
