from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from rlvla.core import history
from rlvla.plugins.loggers.jsonl import Jsonl

if TYPE_CHECKING:
    from pathlib import Path


def started(run_dir: Path) -> Jsonl:
    logger = Jsonl()
    logger.start(str(run_dir), {})
    return logger


def test_each_row_is_on_disk_as_soon_as_it_is_logged(tmp_path: Path) -> None:
    logger = started(tmp_path)
    for step in range(3):
        logger.log({"step": step, "train/loss": 0.25, "phase": "ppo"})
        lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
        assert json.loads(lines[step]) == {"step": step, "train/loss": 0.25, "phase": "ppo"}
        assert len(lines) == step + 1
    logger.close()


def test_numbers_that_json_lacks_are_null(tmp_path: Path) -> None:
    logger = started(tmp_path)
    logger.log({"step": 0, "train/loss": float("nan"), "train/norm": float("inf")})
    logger.close()
    assert (tmp_path / "metrics.jsonl").read_text() == (
        '{"step": 0, "train/loss": null, "train/norm": null}\n'
    )


def test_a_resumed_run_continues_after_the_last_whole_row(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0}\n{"step": 1}\n{"step": 2, "tra')
    logger = started(tmp_path)
    logger.log({"step": 2})
    logger.close()
    assert path.read_text() == '{"step": 0}\n{"step": 1}\n{"step": 2}\n'
    assert [row["step"] for row in history.read(path)] == [0, 1, 2]


def test_an_unstarted_logger_says_so_and_can_be_closed() -> None:
    logger = Jsonl()
    with pytest.raises(ValueError, match="'jsonl' was not started"):
        logger.log({"step": 0})
    logger.close()
