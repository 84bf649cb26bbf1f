"""Messages: msgpack, in which a numpy array is a map of its bytes, dtype and shape.

The layout is the one of openpi's client. Nothing in a message is ever executed, and what a
message may cost in memory is bounded by its size.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from rlvla.plugins.extras import needed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.types import Array

ARRAY, SCALAR, DATA, DTYPE, SHAPE = b"__ndarray__", b"__npgeneric__", b"data", b"dtype", b"shape"

MAX_CONTAINERS = 1000
"""Maps and lists in a message: a byte of msgpack can be a map, which takes 64 bytes of memory."""
MAX_ITEMS = 1000
"""Entries of one map or list."""
MAX_DIMENSIONS = 8

_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")


class MessageError(ValueError):
    """A message is not what the protocol allows; the text is for who sent it."""


def pack(message: Mapping[str, object]) -> bytes:
    """Return the message's bytes; its values are plain data and arrays of numbers."""
    packed: bytes = needed("msgpack", extra="serve").packb(message, default=_plain)
    return packed


def unpack(data: bytes) -> object:
    """Return what `pack` was given, arrays read-only; raise MessageError if it is malformed."""
    reader = _Reader()
    try:
        return needed("msgpack", extra="serve").unpackb(
            data,
            object_hook=reader.map,
            list_hook=reader.list,
            max_array_len=MAX_ITEMS,
            max_map_len=MAX_ITEMS,
            max_ext_len=0,
        )
    except MessageError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise MessageError(f"this is no message in msgpack: {error or 'malformed'}") from None


class _Reader:
    """Makes arrays of maps, and counts what one message is made of."""

    def __init__(self) -> None:
        self._left = MAX_CONTAINERS

    def map(self, read: dict[object, object]) -> object:
        self._count()
        if ARRAY in read:
            return _array(read)
        if SCALAR in read:
            return _scalar(read)
        return read

    def list(self, read: list[object]) -> list[object]:
        self._count()
        return read

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise MessageError(f"a message holds at most {MAX_CONTAINERS} maps and lists")


def _plain(value: object) -> dict[bytes, object]:
    kind = type(value).__name__
    if isinstance(value, np.ndarray):
        array = cast("Array", value)
        if _DTYPE.fullmatch(array.dtype.str):
            shape = list(array.shape)
            return {ARRAY: True, DATA: array.tobytes(), DTYPE: array.dtype.str, SHAPE: shape}
    raise TypeError(f"only plain data and arrays of numbers are sent, not a {kind}")


def _array(read: Mapping[object, object]) -> Array:
    dtype, data, shape = _dtype(read), read.get(DATA), read.get(SHAPE)
    if not isinstance(data, bytes) or not isinstance(shape, list):
        raise MessageError("an array needs its data as bytes and its shape as a list")
    sides = cast("list[object]", shape)
    if len(sides) > MAX_DIMENSIONS or not all(type(n) is int and n >= 0 for n in sides):
        raise MessageError(f"a shape has at most {MAX_DIMENSIONS} sizes of at least 0")
    size = cast("list[int]", sides)
    expected = math.prod(size) * dtype.itemsize
    if len(data) != expected:
        raise MessageError(
            f"an array of shape {size} and dtype {dtype.name} has {expected} bytes, not {len(data)}"
        )
    return np.frombuffer(data, dtype).reshape(size)


def _scalar(read: Mapping[object, object]) -> Any:  # noqa: ANN401 - of any numeric dtype
    value = read.get(DATA)
    if not isinstance(value, bool | int | float):
        raise MessageError("a numpy scalar needs a number as its data")
    return _dtype(read).type(value)


def _dtype(read: Mapping[object, object]) -> np.dtype[Any]:
    name = read.get(DTYPE)
    text = name.decode("ascii", "replace") if isinstance(name, bytes) else name
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise MessageError("a dtype is bool, or integers or floats of up to 8 bytes, as '<f4'")
    return np.dtype(text)
