"""Runs whose algorithm compares episodes, from a manifest to its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from toys.plugin import toy_plugins, write_toy_manifest
from toys.state import saved_state

from rlvla.core import history
from rlvla.core.manifest import load
from rlvla.core.run import run_manifest

if TYPE_CHECKING:
    from pathlib import Path

GRPO = (
    "algorithm={type: grpo, group_size: 4, batch_size: 16, micro_batch_size: 8, lr: 0.3}",
    "budget.updates=4",
)


def run(folder: Path, *overrides: str) -> Path:
    folder.mkdir(exist_ok=True)
    plugins = toy_plugins()
    path = write_toy_manifest(folder)
    return run_manifest(load(path, plugins.components, overrides=(*GRPO, *overrides)), plugins)


def rows_of(run_dir: Path) -> list[dict[str, Any]]:
    return history.read(run_dir / history.HISTORY)


def state_of(run_dir: Path, step: int) -> dict[str, Any]:
    return saved_state(max((run_dir / "checkpoints").glob(f"step-{step:09d}*")))


@pytest.mark.parametrize("runtime", ["inline", "local"])
def test_a_run_learns_from_groups(tmp_path: Path, runtime: str) -> None:
    run_dir = run(tmp_path, "budget.updates=25", f"runtime={{type: {runtime}}}")
    rows = rows_of(run_dir)
    first, last = (sum(row["rollout/success"] for row in part) for part in (rows[:5], rows[-5:]))
    print(first, last, rows[-1])
    assert last > first + 1
