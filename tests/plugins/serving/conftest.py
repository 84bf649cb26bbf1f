"""A run that was trained for a moment, and its policy behind a server on loopback."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from toys.plugin import toy_manifest, toy_plugins
from websockets.asyncio.client import connect

from rlvla.core.run import run_manifest
from rlvla.plugins.serving.desk import Desk
from rlvla.plugins.serving.names import Convention, names_of
from rlvla.plugins.serving.packing import pack, unpack
from rlvla.plugins.serving.reading import Reading
from rlvla.plugins.serving.server import SEATS, Address, PolicyServer
from rlvla.plugins.serving.trained import Trained, metadata, trained

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from websockets.asyncio.client import ClientConnection

    from rlvla.core.interfaces import Policy
    from rlvla.core.settings import Manifest

    Serve = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture(scope="session", name="run_dir")
def _run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    overrides = ("budget.updates=1", "model.chunk=2", "simulator.cameras=1")
    manifest = toy_manifest(folder, *overrides, plugins=(plugins := toy_plugins()))
    return run_manifest(manifest, plugins)


@pytest.fixture(scope="session", name="manifest")
def _manifest(run_dir: Path) -> Manifest:
    return toy_manifest(run_dir.parent, "model.chunk=2", "simulator.cameras=1")


@pytest.fixture(scope="session", name="found")
def _found(run_dir: Path, manifest: Manifest) -> Trained:
    return trained(run_dir, manifest)


@pytest.fixture(name="serve")
def _serve(manifest: Manifest, found: Trained) -> Serve:
    """Serve while inside, by default the run's policy; yield the URL."""

    @asynccontextmanager
    async def serve(
        *, names: Convention = "openpi", key: str | None = None, policy: Policy | None = None
    ) -> AsyncGenerator[str]:
        spec = manifest.simulator.spec
        reading = Reading(spec, names_of(spec, names))
        served = policy or found.policy
        desk = Desk(served, version=found.version, temperature=0, max_batch=8, seats=SEATS)
        server = PolicyServer(desk, reading, metadata(manifest, found.version, reading))
        address = Address(host="127.0.0.1", port=0, key=key)
        async with desk.open(), server.listen(address) as port:
            yield f"ws://127.0.0.1:{port}"

    return serve


class Client:
    """Asks as openpi's client does."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def receive(self) -> Any:  # noqa: ANN401 - a message
        message = await self.connection.recv()
        return message if isinstance(message, str) else unpack(message)

    async def infer(self, observation: dict[str, object]) -> Any:  # noqa: ANN401 - a message
        await self.connection.send(pack(observation))
        return await self.receive()


@pytest.fixture(name="client")
def _client() -> Callable[..., AbstractAsyncContextManager[Client]]:
    @asynccontextmanager
    async def client(url: str, **headers: str) -> AsyncGenerator[Client]:
        async with connect(url, compression=None, additional_headers=headers) as connection:
            yield Client(connection)

    return client
