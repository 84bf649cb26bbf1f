from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rlvla.core import history

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, steps: range, tail: str = "") -> None:
    path.write_text("".join(json.dumps({"step": step, "x": 0.5}) + "\n" for step in steps) + tail)


def test_rows_are_read_in_order_and_a_torn_one_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / history.HISTORY
    write(path, range(3), tail='{"step": 3, "x": 0.')
    assert [row["step"] for row in history.read(path)] == [0, 1, 2]


def test_what_is_no_row_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / history.HISTORY
    write(path, range(2), tail='[]\n7\n{"x": 1}\n{"step": "2"}\n' + "[" * 100_000 + "\n")
    assert [row["step"] for row in history.read(path)] == [0, 1]


def test_truncate_removes_the_rows_that_a_resumed_run_writes_again(tmp_path: Path) -> None:
    path = tmp_path / history.HISTORY
    write(path, range(10), tail='{"step": 10, "x"')
    before = path.read_bytes().splitlines()
    assert history.truncate(path, 6) == 7
    assert path.read_bytes().splitlines() == before[:7]
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_without_history_has_no_rows(tmp_path: Path) -> None:
    path = tmp_path / history.HISTORY
    assert history.read(path) == []
    assert history.truncate(path, 5) == 0
    assert not path.exists()
