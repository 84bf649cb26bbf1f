"""Messages in the wire format of protocol buffers (protobuf.dev/programming-guides/encoding)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Value: TypeAlias = int | bytes
VARINT, LONG, BLOCK, SHORT = 0, 1, 2, 5
"""Kinds of values: a number of variable length, 8 bytes, counted bytes, 4 bytes."""
SIZES = {LONG: 8, SHORT: 4}


@dataclass(frozen=True)
class Message:
    """The values of each field, by its number."""

    values: Mapping[int, Sequence[Value]]

    def blocks(self, field: int) -> list[bytes]:
        """Return all values of a field of messages, texts or bytes."""
        return [one for one in self.values.get(field, ()) if isinstance(one, bytes)]

    def block(self, field: int) -> bytes:
        """Return the last value of such a field, empty if it has none."""
        return (self.blocks(field) or [b""])[-1]

    def text(self, field: int) -> str:
        """Return the text of a field."""
        return self.block(field).decode()

    def number(self, field: int, default: int) -> int:
        """Return the whole number of a field."""
        found = [one for one in self.values.get(field, ()) if isinstance(one, int)]
        return found[-1] if found else default

    def real(self, field: int) -> float:
        """Return the float32 of a field, 0 if it has none."""
        content = self.block(field)
        value: float = struct.unpack("<f", content)[0] if len(content) == SIZES[SHORT] else 0.0
        return value


def fields(content: bytes) -> Message:
    """Return the message of these bytes; raise ValueError or IndexError if they are not whole."""
    values: dict[int, list[Value]] = {}
    start = 0
    while start < len(content):
        tag, start = _varint(content, start)
        value, start = _value(content, start, tag & 7)
        values.setdefault(tag >> 3, []).append(value)
    return Message(values)


def _value(content: bytes, start: int, kind: int) -> tuple[Value, int]:
    if kind == VARINT:
        return _varint(content, start)
    if kind == BLOCK:
        length, start = _varint(content, start)
    elif kind in SIZES:
        length = SIZES[kind]
    else:
        raise ValueError(f"it has a value of the unknown kind {kind}")
    end = start + length
    if end > len(content):
        raise ValueError(f"it ends after {len(content)} bytes, within a value")
    return content[start:end], end


def _varint(content: bytes, start: int) -> tuple[int, int]:
    """Return a number whose bytes hold seven bits each, the lowest first, and where it ends."""
    number = shift = 0
    while True:
        byte = content[start]
        start += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, start
