"""`rlvla serve`: from the folder of a run to a policy that answers."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rlvla.commands.options import RunArgument
from rlvla.commands.run import manifest_of
from rlvla.core.errors import ManifestError
from rlvla.plugins.extras import needed
from rlvla.plugins.serving.names import Convention, names_of
from rlvla.plugins.serving.reading import Reading
from rlvla.plugins.serving.server import SEATS, Address, PolicyServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.commands.surroundings import Surroundings
    from rlvla.plugins.serving.desk import Desk

Host = Annotated[
    str,
    typer.Option(
        help="Address to listen at; another than this machine's own loopback needs a key."
    ),
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")]
Key = Annotated[
    str | None,
    typer.Option(
        envvar="RLVLA_SERVE_KEY",
        help="What clients must show, as openpi's `api_key`; others see an environment variable "
        "less easily than this option.",
    ),
]
Names = Annotated[
    Convention,
    typer.Option(
        help="Whose names clients use in observations: rlvla's, or those of openpi's examples for "
        "LIBERO (`openpi`), DROID or ALOHA.",
    ),
]
Renamed = Annotated[
    list[str],
    typer.Option(
        "--name",
        metavar="KEY=PART",
        default_factory=list,
        show_default=False,
        help="Read a part of the observation at another key, as "
        "`--name observation/image=image/top`; may be repeated, for the state to put several keys "
        "together.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="Where the policy computes, as `cpu` or `cuda:0`.",
        show_default="as its generator in the run",
    ),
]
Temperature = Annotated[float, typer.Option(min=0, help="Of sampling; 0 decides greedily.")]
Batch = Annotated[int, typer.Option(min=1, help="Most observations decided on together.")]


def serve(
    context: typer.Context,
    run_dir: RunArgument,
    renamed: Renamed,
    names: Names = "rlvla",
    host: Host = "127.0.0.1",
    port: Port = 8000,
    key: Key = None,
    device: Device = None,
    temperature: Temperature = 0.0,
    max_batch: Batch = 16,
) -> None:
    """Let the newest checkpoint of a run answer openpi clients, until Ctrl-C.

    Observations that wait while the policy is at work are decided on together.
    """
    for package in ("msgpack", "websockets"):
        needed(package, extra="serve")
    address = _address(host, port, key)
    surroundings = cast("Surroundings", context.obj)
    manifest = surroundings.manifest(manifest_of(run_dir), surroundings.plugins(), trains=False)
    spec = manifest.simulator.spec
    reading = Reading(spec, names_of(spec, names, renamed))
    from rlvla.plugins.serving.desk import Desk
    from rlvla.plugins.serving.trained import metadata, trained

    found = trained(run_dir, manifest, device)
    told = metadata(manifest, found.version, reading)

    async def main() -> None:
        desk = Desk(
            found.policy,
            version=found.version,
            temperature=temperature,
            max_batch=max_batch,
            seats=SEATS,
        )
        await _serve(desk, PolicyServer(desk, reading, told), address, told)

    asyncio.run(main())


async def _serve(
    desk: Desk, server: PolicyServer, address: Address, told: Mapping[str, object]
) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with desk.open(), server.listen(address) as port:
        print(
            f"{told['run']}, version {told['version']}, at ws://{address.host}:{port}; "
            "Ctrl-C ends it",
            flush=True,
        )
        for name, what in cast("Mapping[str, str]", told["observation"]).items():
            print(f"  {name}: {what}", flush=True)
        await stopped.wait()
    print(f"stopped after {desk.answered} answers")


def _address(host: str, port: int, key: str | None) -> Address:
    if not key and not _is_loopback(host):
        raise ManifestError(
            f"--host {host}: other machines can reach it, so clients must show a key; "
            "set RLVLA_SERVE_KEY"
        )
    return Address(host=host, port=port, key=key or None)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"
