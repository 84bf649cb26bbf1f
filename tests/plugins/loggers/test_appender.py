from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest

from rlvla.plugins.loggers.appender import Appender

if TYPE_CHECKING:
    from pathlib import Path


def test_a_record_that_does_not_fit_leaves_no_half(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = Appender(path)
    file.write(b"x" * 90)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        for _ in range(3):
            with pytest.raises(OSError, match=r"File too large|No space left"):
                file.write(b"y" * 20)
        file.write(b"z" * 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    file.write(b"y" * 20)
    file.flush()
    assert path.read_bytes() == b"x" * 90 + b"z" * 10 + b"y" * 20
    file.close()
