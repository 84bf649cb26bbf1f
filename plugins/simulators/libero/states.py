"""Reads the published initial states, which are pickled, without unpickling them."""

from __future__ import annotations

import pickletools
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CALLED = (
    "numpy.core.multiarray _reconstruct",
    "numpy ndarray",
    "_codecs encode",
    "numpy dtype",
)
"""All that a pickled array of numbers names, in this order."""
NUMBER = "<f8"


def read_states(path: Path) -> NDArray[np.float64]:
    """Return the states in a file of the package, float64 [states, numbers].

    The file is what `torch.save` makes of an array: a pickle in a zip archive. Nothing in it is
    executed; raises ValueError if it holds anything but one array of float64.
    """
    with zipfile.ZipFile(path) as archive:
        name = next(one for one in archive.namelist() if one.endswith("/data.pkl"))
        steps = [(step.name, value) for step, value, _ in pickletools.genops(archive.read(name))]
    named = tuple(value for name, value in steps if name == "GLOBAL")
    texts = [str(value) for name, value in steps if name == "BINUNICODE"]
    if named != CALLED or len(texts) != 5 or texts[1:4] != ["latin1", *_split(NUMBER)]:
        raise ValueError(f"{path} holds something else than an array of float64")
    numbers = np.frombuffer(texts[4].encode("latin1"), NUMBER)
    return numbers.reshape(_shape(steps)).copy()


def _split(dtype: str) -> list[str]:
    """Return type and byte order as an array is pickled with them."""
    return [dtype[1:], dtype[:1]]


def _shape(steps: list[tuple[str, Any]]) -> tuple[int, ...]:
    """Return the numbers of the first pair: they follow the version of the format."""
    at = next(n for n, (name, _) in enumerate(steps) if name == "TUPLE2" and _is_pair(steps, n))
    return steps[at - 2][1], steps[at - 1][1]


def _is_pair(steps: list[tuple[str, Any]], at: int) -> bool:
    return all(isinstance(value, int) for _, value in steps[at - 2 : at])
