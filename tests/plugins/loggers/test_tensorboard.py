from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from rlvla.plugins.loggers.tensorboard import TensorBoard

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def record(run_dir: Path, steps: Iterable[int], value: float) -> None:
    logger = TensorBoard()
    logger.start(str(run_dir), {})
    for step in steps:
        logger.log({"step": step, "train/loss": value + step, "phase": "ppo"})
    logger.close()


def read(run_dir: Path, tag: str) -> list[tuple[int, float]]:
    """Read scalars as TensorBoard does."""
    module: Any = import_module("tensorboard.backend.event_processing.event_accumulator")
    events = module.EventAccumulator(str(run_dir / "tensorboard")).Reload()
    assert events.Tags()["scalars"] == [tag]
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_tensorboard_reads_what_was_logged(tmp_path: Path) -> None:
    record(tmp_path, range(5), 0.5)
    assert read(tmp_path, "train/loss") == [(step, 0.5 + step) for step in range(5)]


def test_a_resumed_run_replaces_the_steps_it_repeats(tmp_path: Path) -> None:
    record(tmp_path, range(8), 0.0)
    record(tmp_path, range(5, 10), 100.0)
    expected = [(step, float(step)) for step in range(5)]
    expected += [(step, 100.0 + step) for step in range(5, 10)]
    assert read(tmp_path, "train/loss") == expected


def test_neither_torch_nor_tensorflow_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys; from rlvla.plugins.loggers.tensorboard import TensorBoard;"
        "assert 'tensorboard' not in sys.modules;"
        "logger = TensorBoard(); logger.start(sys.argv[1], {}); logger.log({'step': 1, 'x': 2.0});"
        "print([name for name in ('torch', 'tensorflow') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_unstarted_logger_says_so_and_can_be_closed() -> None:
    logger = TensorBoard()
    with pytest.raises(ValueError, match="'tensorboard' was not started"):
        logger.log({"step": 0})
    logger.close()
