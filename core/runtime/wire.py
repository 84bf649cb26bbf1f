"""The words that parent and worker exchange: one JSON array a line, ids and numbers only.

A call is `[id, method, arguments, named arguments]`; its answer `[id, "ok", result]` or
`[id, kind, detail]`.
"""

from __future__ import annotations

import json
from dataclasses import astuple
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from rlvla.core.types import Outcome, Request, Segment, Start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from socket import socket

Message: TypeAlias = "Any"
"""What JSON holds; the two ends know its shape."""

RECORDS: Mapping[str, Callable[..., Message]] = MappingProxyType(
    {record.__name__: record for record in (Outcome, Request, Segment, Start)}
)


def encode(message: object) -> bytes:
    """Return `message` as a line; records become `{"": name, "of": fields}`."""
    return json.dumps(message, default=_plain, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """Return what `encode` was given, with lists for tuples except inside records."""
    return json.loads(line, object_hook=_record)


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
    return {"": name, "of": astuple(value)}  # type: ignore[call-overload]  # RECORDS are dataclasses


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
