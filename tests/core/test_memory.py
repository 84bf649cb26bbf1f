from __future__ import annotations

import gc
import os
import resource
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from rlvla.core.errors import PreflightError
from rlvla.core.memory import SharedMemory, map_shared

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_every_mapping_shows_the_same_bytes() -> None:
    with closing(SharedMemory(4096, "rows")) as memory:
        first, second = memory.map(), map_shared(memory.fd)
        first[7:10] = b"abc"
        assert second[7:10] == b"abc"
        assert len(second) == memory.size == 4096


def test_a_mapping_outlives_the_descriptor() -> None:
    memory = SharedMemory(4096, "rows")
    mapped = memory.map()
    memory.close()
    mapped[0] = 1
    assert mapped[0] == 1


def test_memory_has_no_name_and_leaves_nothing_behind() -> None:
    def open_files() -> set[str]:
        gc.collect()
        return set(os.listdir("/proc/self/fd"))

    shared, files = set(os.listdir("/dev/shm")), open_files()
    memory = SharedMemory(4096, "rows")
    assert os.readlink(f"/proc/self/fd/{memory.fd}") == "/memfd:rlvla-rows (deleted)"
    assert not {name for name in set(os.listdir("/dev/shm")) - shared if "rlvla" in name}
    memory.close()
    assert open_files() <= files


@pytest.fixture
def limited() -> Iterator[None]:
    """Let no file grow beyond 64 MiB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("limited")
def test_memory_that_is_refused_is_told_and_leaks_no_descriptor() -> None:
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(PreflightError, match=r"^no 65 MiB of memory for rows: "):
        SharedMemory(65 << 20, "rows")
    assert set(os.listdir("/proc/self/fd")) <= before
