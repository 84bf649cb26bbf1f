from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rlvla.core.memory import SharedMemory
from rlvla.core.weights import Weights, weights_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SHAPES: dict[str, tuple[int, ...]] = {
    "scale": (),
    "bias": (7,),
    **{f"layer{n}": (16, 33) for n in range(12)},
}

WRITER = f"""
import sys
import numpy as np
from rlvla.core.memory import map_shared
from rlvla.core.weights import Weights

shapes = {SHAPES!r}
weights = Weights(shapes, map_shared(int(sys.argv[1])))
version = max(int(sys.argv[2]), 0)
while True:
    weights.publish(version, dict.fromkeys(shapes, np.full((), version, np.float32)))
    version += 1
"""


class WriterKilledError(Exception):
    """Stands for the end of the process that publishes."""


class Dying(dict[str, "NDArray[np.float32]"]):
    """Tensors of which the publisher still gets `alive`, then it dies."""

    def __init__(self, tensors: dict[str, NDArray[np.float32]], alive: int) -> None:
        super().__init__(tensors)
        self.alive = alive

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        self.alive -= 1
        if self.alive < 0:
            raise WriterKilledError
        return super().__getitem__(name)


def _tensors(version: int) -> dict[str, NDArray[np.float32]]:
    return {name: np.full(shape, version, np.float32) for name, shape in SHAPES.items()}


def _fetch(weights: Weights) -> int:
    """Fetch, check that all tensors are of one version, and return it."""
    version, tensors = weights.fetch()
    assert {name: one.shape for name, one in tensors.items()} == SHAPES
    assert {float(x) for one in tensors.values() for x in np.unique(one)} == {float(version)}
    return version


def _memory() -> bytearray:
    return bytearray(weights_bytes(SHAPES))


def test_the_newest_version_is_fetched_as_a_copy() -> None:
    memory = _memory()
    publisher, reader = Weights(SHAPES, memory), Weights(SHAPES, memory)
    assert reader.version == -1
    for version in (0, 1, 2, 7, 8):
        publisher.publish(version, _tensors(version))
        assert reader.version == version
        assert _fetch(reader) == version
    _, tensors = reader.fetch()
    publisher.publish(9, _tensors(9))
    publisher.publish(10, _tensors(10))
    assert tensors["scale"] == 8


@pytest.mark.parametrize("whole", [0, 1, 2, 3])
def test_a_publisher_that_died_at_any_moment_leaves_the_version_before(whole: int) -> None:
    """And the one that takes its place may die as well, any number of times."""
    memory = _memory()
    reader = Weights(SHAPES, memory)
    publisher = Weights(SHAPES, memory)
    for version in range(whole):
        publisher.publish(version, _tensors(version))
    for alive in range(len(SHAPES)):
        with pytest.raises(WriterKilledError):
            Weights(SHAPES, memory).publish(whole, Dying(_tensors(whole), alive))
        assert reader.version == whole - 1
        if whole:
            assert _fetch(reader) == whole - 1
    Weights(SHAPES, memory).publish(whole, _tensors(whole))
    assert _fetch(reader) == whole


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Let threads take turns far more often than usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("quick_switches")
def test_a_reader_beside_a_publishing_thread_never_mixes_versions_nor_goes_back() -> None:
    memory = _memory()
    reader, publisher = Weights(SHAPES, memory), Weights(SHAPES, memory)
    publisher.publish(0, _tensors(0))
    ended = threading.Event()

    def publish() -> None:
        version = 1
        while not ended.is_set():
            publisher.publish(version, dict.fromkeys(SHAPES, np.full((), version, np.float32)))
            version += 1

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        seen = [_fetch(reader) for _ in range(3000)]
    finally:
        ended.set()
        thread.join()
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]
    assert _fetch(reader) == publisher.version


def test_killed_writer_processes_leave_whole_versions() -> None:
    dice = random.Random(0)
    with closing(SharedMemory(weights_bytes(SHAPES), "weights")) as memory:
        reader = Weights(SHAPES, memory.map())
        for _ in range(5):
            before = reader.version
            arguments = [sys.executable, "-c", WRITER, str(memory.fd), str(before + 1)]
            with subprocess.Popen(arguments, pass_fds=[memory.fd]) as writer:
                while reader.version <= before and writer.poll() is None:
                    time.sleep(0.001)
                ends = time.monotonic() + dice.uniform(0, 0.05)
                while time.monotonic() < ends:
                    assert _fetch(reader) > before
                assert writer.poll() is None
                writer.kill()
            after = _fetch(reader)
            assert after > before
            assert _fetch(reader) == after == reader.version


def test_memory_for_tensors_is_that_of_two_banks_and_their_words() -> None:
    assert weights_bytes({}) == 128
    assert weights_bytes({"a": (2, 3), "b": ()}) == 128 + 2 * 4 * 7
