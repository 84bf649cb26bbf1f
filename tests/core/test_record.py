from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import pytest
from toys.plugin import toy_manifest, toy_plugins

from rlvla.core import history
from rlvla.core.errors import TrainingError
from rlvla.core.progress import Progress
from rlvla.core.record import Record
from rlvla.core.run import run_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rlvla.core.workers import TrainerWorker


@dataclass
class FullDisk:
    """A logger that cannot write every other row."""

    rows: list[Mapping[str, float | int | str]] = field(
        default_factory=list["Mapping[str, float | int | str]"]
    )
    calls: int = 0

    def start(self, run_dir: str, manifest: Mapping[str, object]) -> None:
        assert manifest["name"] == "toy"

    def log(self, row: Mapping[str, float | int | str]) -> None:
        self.calls += 1
        if self.calls % 2:
            raise OSError(28, "No space left on device")
        self.rows.append(row)

    def close(self) -> None:
        self.calls = -self.calls


def test_a_full_disk_costs_rows_and_not_the_run(tmp_path: Path) -> None:
    plugins, full = toy_plugins(), FullDisk()
    manifest = toy_manifest(tmp_path, "budget.updates=4", plugins=plugins)
    run_dir = run_manifest(replace(manifest, loggers=(full, *manifest.loggers)), plugins)
    assert [row["step"] for row in full.rows] == [2, 4]
    assert full.calls == -4
    rows = history.read(run_dir / history.HISTORY)
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert [row.get("log/lost_rows") for row in rows] == [None, 1, 1, 2]


def test_a_checkpoint_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    plugins = toy_plugins()
    record = Record(tmp_path, toy_manifest(tmp_path, plugins=plugins), plugins)
    (tmp_path / "checkpoints").write_text("a file where a folder should be")
    nobody = cast("TrainerWorker", None)  # it is not asked
    with pytest.raises(TrainingError, match=r"no checkpoint could be written: .*checkpoints"):
        asyncio.run(record.save(nobody, Progress()))
