"""The server of openpi's protocol: a websocket on which observations come in and actions go out.

The first message is the server's: metadata. Then each observation, a binary message, is answered
by a binary message with `actions`, or by a text that says what was wrong with it. What is no
message at all ends the connection, as does a failure of the policy.
"""

from __future__ import annotations

import errno
import hmac
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from rlvla.core.errors import ClosedError, PreflightError
from rlvla.plugins.extras import needed
from rlvla.plugins.serving.desk import PolicyFailedError
from rlvla.plugins.serving.packing import MessageError, pack, unpack

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

    from rlvla.plugins.serving.desk import Desk
    from rlvla.plugins.serving.reading import Reading

HEALTH = "/healthz"
SEATS = 64
"""Connections at a time."""
LEAST_BYTES = 16 << 20
"""Size of a message that is always allowed: a wrong image is worth an answer."""
UNSUPPORTED, INVALID, FAILED, BUSY = 1003, 1007, 1011, 1013
"""Codes that end a connection, of RFC 6455 and its registry."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where clients reach the server, and what they must know."""

    host: str
    port: int
    """0: any that is free."""
    key: str | None = None
    """Expected as `Authorization: Api-Key KEY`; None: nothing is."""


class PolicyServer:
    """Speaks with all clients of a desk."""

    def __init__(self, desk: Desk, reading: Reading, metadata: Mapping[str, object]) -> None:
        self._desk = desk
        self._reading = reading
        self._metadata = metadata
        self._connections = 0

    @asynccontextmanager
    async def listen(self, address: Address) -> AsyncGenerator[int]:
        """Let the policy decide once, then serve while inside; yield the port.

        Raise PreflightError if it cannot be had.
        """
        await self._desk.warm(self._reading.empty())
        server = await self._started(address)
        try:
            yield next(iter(server.sockets)).getsockname()[1]
        finally:
            server.close()
            await server.wait_closed()

    async def _started(self, address: Address) -> Server:
        start = needed("websockets.asyncio.server", extra="serve").serve

        def admit(connection: ServerConnection, request: Request) -> Response | None:
            return self._admit(connection, request, address.key)

        try:
            server: Server = await start(
                self._talk,
                address.host,
                address.port,
                process_request=admit,
                origins=[None],  # a web page that is open on this machine has one
                compression=None,  # else a small message may become a large one
                max_size=max(LEAST_BYTES, 4 * self._row_bytes),
                max_queue=1,
                server_header=None,
            )
        except OSError as error:
            raise _explained(error, address) from error
        return server

    @property
    def _row_bytes(self) -> int:
        return sum(array.nbytes for array in self._reading.empty().values())

    def _admit(
        self, connection: ServerConnection, request: Request, key: str | None
    ) -> Response | None:
        """Answer whoever does not come for a websocket or may not have one."""
        if request.path == HEALTH:
            return connection.respond(HTTPStatus.OK, "OK\n")
        given = ", ".join(request.headers.get_all("Authorization"))
        if key is not None and not hmac.compare_digest(given.encode(), f"Api-Key {key}".encode()):
            told = "send the header 'Authorization: Api-Key KEY' with the key of this server\n"
            return connection.respond(HTTPStatus.UNAUTHORIZED, told)
        return None

    async def _talk(self, connection: ServerConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        if self._connections >= SEATS:
            await connection.close(BUSY, f"{SEATS} clients are connected, which is all there may")
            return
        self._connections += 1
        try:
            await connection.send(pack(self._metadata))
            await self._answer_all(connection)
        except ConnectionClosed:
            pass  # in whatever way it ended, the next one is not concerned
        except ClosedError:
            await connection.close(1001, "the server is stopped")
        finally:
            self._connections -= 1

    async def _answer_all(self, connection: ServerConnection) -> None:
        before: float | None = None
        async for message in connection:
            began = time.monotonic()
            code = await self._answer(connection, message, before)
            if code is not None:
                await connection.close(code)
                return
            before = time.monotonic() - began

    async def _answer(
        self, connection: ServerConnection, message: str | bytes, before: float | None
    ) -> int | None:
        """Answer one message; return the code to end the connection with, if it must end."""
        began = time.monotonic()
        if isinstance(message, str):
            await connection.send("an observation is a binary message, in msgpack")
            return UNSUPPORTED
        try:
            observation = unpack(message)
        except MessageError as error:
            await connection.send(str(error))
            return INVALID
        try:
            answer = await self._desk.decide(self._reading.row(observation))
        except MessageError as error:
            await connection.send(str(error))
            return None
        except PolicyFailedError:
            await connection.send("the policy failed on this observation; the server's log has why")
            return FAILED
        timing = {"infer_ms": 1000 * (time.monotonic() - began)}
        if before is not None:
            timing["prev_total_ms"] = 1000 * before
        content = {
            "actions": answer.actions,
            "policy_timing": {"infer_ms": 1000 * answer.infer_s},
            "server_timing": timing,
        }
        await connection.send(pack(content))
        return None


def _explained(error: OSError, address: Address) -> PreflightError:
    if error.errno == errno.EADDRINUSE:
        return PreflightError(
            f"port {address.port} of {address.host} is taken; stop who holds it or choose "
            "another one with --port"
        )
    return PreflightError(
        f"{address.host}:{address.port} cannot be served on: {error.strerror or error}; choose "
        "others with --host and --port"
    )
