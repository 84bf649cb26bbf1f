"""The words that parent and worker exchange: ids and numbers only, one JSON array a line.

A line holds everything that one side has to say at the moment: calls `[id, method, arguments,
named arguments]` one way, answers `[id, "ok", result]` or `[id, kind, detail]` the other way.
"""

from __future__ import annotations

import json
from dataclasses import fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from rlvla.core.segment import Segment
from rlvla.core.types import Start

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from socket import socket

Message: TypeAlias = "Any"
"""What JSON holds; the two ends know its shape."""

RECORDS: Mapping[str, type[Segment | Start]] = MappingProxyType(
    {record.__name__: record for record in (Segment, Start)}
)


def encode(message: object) -> bytes:
    """Return `message` as a line; records become `{"": name, "of": fields}`, tuples lists."""
    return _ENCODER.encode(message).encode() + b"\n"


def decode(line: bytes) -> Message:
    """Return what `encode` was given, with lists for tuples except inside records."""
    return _DECODER.decode(line.decode())


class Lines:
    """Bytes in, whole lines out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that `data` completes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        yield from lines


def send(connection: socket, message: object) -> None:
    """Write a whole message."""
    connection.sendall(encode(message))


def _plain(value: object) -> dict[str, Any]:
    name = type(value).__name__
    if name not in RECORDS:
        raise TypeError(f"{value!r} does not travel between processes")
    return {"": name, "of": [getattr(value, one.name) for one in fields(RECORDS[name])]}


def _record(plain: dict[str, Any]) -> Message:
    if "" not in plain:
        return plain
    return RECORDS[plain[""]](*map(_frozen, plain["of"]))


def _frozen(value: Message) -> Message:
    match value:
        case [*items]:
            return tuple(items)
        case _:
            return value


_ENCODER = json.JSONEncoder(default=_plain, separators=(",", ":"))
_DECODER = json.JSONDecoder(object_hook=_record)
