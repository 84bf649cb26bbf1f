"""Trained weights in shared memory: published whole, fetched whole, waited for by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from mmap import mmap

    from numpy.typing import NDArray

HEADER = 64


def weights_bytes(shapes: Mapping[str, tuple[int, ...]], *, banks: int = 2) -> int:
    """Return how many bytes `Weights` needs for these tensors."""
    return banks * (HEADER + 4 * sum(int(np.prod(shape)) for shape in shapes.values()))


class Weights:
    """Banks of float32 tensors, two or more, that the publisher fills in turn.

    Each bank stands between a begin and a commit word that hold its version. The publisher never
    waits. A reader that is overtaken sees the words differ and takes the newer bank, so that it
    may skip versions and never mixes two.
    """

    def __init__(
        self, shapes: Mapping[str, tuple[int, ...]], buffer: mmap | bytearray, *, banks: int = 2
    ) -> None:
        size = weights_bytes(shapes, banks=1)
        self._banks = [_Bank(shapes, buffer, bank * size) for bank in range(banks)]

    @property
    def version(self) -> int:
        """The newest whole version; -1 before the first."""
        return max(bank.version for bank in self._banks)

    def publish(self, version: int, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        """Write `version` over the oldest bank, or over one that a writer left unfinished."""
        min(self._banks, key=lambda one: one.version).write(version, tensors)

    def fetch(self) -> tuple[int, dict[str, NDArray[np.float32]]]:
        """Return the newest version and copies of its tensors; one must have been published."""
        while True:
            bank = max(self._banks, key=lambda one: one.version)
            version = bank.version
            tensors = bank.read()
            if bank.version == version >= 0:
                return version, tensors

    def fetch_exactly(self, version: int) -> dict[str, NDArray[np.float32]]:
        """Return copies of the tensors of `version`; raise TrainingError if it is overwritten."""
        for bank in self._banks:
            if bank.version == version:
                tensors = bank.read()
                if bank.version == version:
                    return tensors
        held = sorted(bank.version for bank in self._banks)
        raise TrainingError(f"version {version} of the weights is not there, only {held}")


class _Bank:
    """One set of tensors and its words, which hold the version plus one."""

    def __init__(
        self, shapes: Mapping[str, tuple[int, ...]], buffer: mmap | bytearray, offset: int
    ) -> None:
        self._words = np.ndarray((2,), np.int64, buffer, offset)
        self._tensors: dict[str, NDArray[np.float32]] = {}
        offset += HEADER
        for name, shape in shapes.items():
            self._tensors[name] = np.ndarray(shape, np.float32, buffer, offset)
            offset += self._tensors[name].nbytes

    @property
    def version(self) -> int:
        """The version in this bank; -1 while there is no whole one."""
        begin, commit = self._words.tolist()
        return commit - 1 if begin == commit else -1

    def write(self, version: int, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        self._words[0] = version + 1
        for name, into in self._tensors.items():
            into[...] = tensors[name]
        self._words[1] = version + 1

    def read(self) -> dict[str, NDArray[np.float32]]:
        return {name: tensor.copy() for name, tensor in self._tensors.items()}
