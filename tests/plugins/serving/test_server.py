from __future__ import annotations

import asyncio
import importlib
import urllib.request
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rlvla.core.types import encode_instruction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from numpy.typing import NDArray
    from torch import Tensor, nn
    from websockets.asyncio.client import ClientConnection

    from rlvla.core.interfaces import Policy, Scores
    from rlvla.core.types import Arrays
    from rlvla.plugins.serving.trained import Trained

    Serve = Callable[..., AbstractAsyncContextManager[str]]
    Connect = Callable[..., AbstractAsyncContextManager[Any]]

msgpack: Any = importlib.import_module("msgpack")


def observed(x: float = 0.1, words: str = "go left") -> dict[str, object]:
    """Return what a client sends, in openpi's names."""
    return {
        "observation/image": np.zeros((8, 8, 3), np.uint8),
        "observation/state": np.array([x]),
        "prompt": words,
    }


def decided(policy: Policy, x: float, words: str) -> NDArray[np.float32]:
    """Return what the policy says without a server."""
    row = {
        "image/top": np.zeros((1, 8, 8, 3), np.uint8),
        "proprio": np.array([[x]], np.float32),
        "privileged": np.zeros((1, 2), np.float32),
        "instruction": encode_instruction(words)[None],
    }
    greedy = np.zeros(1, np.float32)
    with torch.no_grad():
        actions = policy.act(row, seeds=np.zeros(1, np.uint64), temperature=greedy)["action"]
    return np.asarray(actions[0], np.float32)


async def exchange(connection: ClientConnection, data: bytes) -> object:
    """Return the answer to a message."""
    await connection.send(data)
    return await connection.recv()


class Counting:
    """The run's policy; it keeps the sizes of its batches and fails at states above 1."""

    def __init__(self, policy: Policy) -> None:
        self.sizes: list[int] = []
        self._policy = policy

    @property
    def module(self) -> nn.Module:
        return self._policy.module

    def act(
        self, observations: Arrays, *, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        self.sizes.append(len(seeds))
        if (observations["proprio"] > 1).any():
            raise RuntimeError("a secret of the server")
        return self._policy.act(observations, seeds=seeds, temperature=temperature)

    def evaluate(self, batch: Arrays) -> Scores:
        return self._policy.evaluate(batch)

    def value(self, observations: Arrays) -> Tensor:
        return self._policy.value(observations)

    def imitate(self, batch: Arrays) -> Tensor:
        return self._policy.imitate(batch)

    def save(self, directory: str) -> None:
        self._policy.save(directory)

    def load(self, directory: str) -> None:
        self._policy.load(directory)


def test_a_client_is_told_what_is_served_and_gets_the_policys_actions(
    serve: Serve, client: Connect, found: Trained
) -> None:
    async def main() -> None:
        async with serve() as url, client(url) as robot:
            told = await robot.receive()
            assert told == {
                "run": "toy",
                "model": "tiny",
                "version": 1,
                "observation": {
                    "observation/image": "uint8 [8, 8, 3]",
                    "observation/state": "float32 [1]",
                    "prompt": "text",
                },
                "action": {"shape": [2, 1], "low": [-1.0], "high": [1.0]},
                "control_hz": 5.0,
            }
            first = await robot.infer(observed(0.1, "go left"))
            second = await robot.infer(observed(-0.2, "go right"))
            for answer, seen in ((first, (0.1, "go left")), (second, (-0.2, "go right"))):
                assert answer["actions"].dtype == np.float32
                np.testing.assert_array_equal(answer["actions"], decided(found.policy, *seen))
            assert first["server_timing"].keys() == {"infer_ms"}
            assert second["server_timing"].keys() == {"infer_ms", "prev_total_ms"}
            forward = second["policy_timing"]["infer_ms"]
            assert 0 < forward <= second["server_timing"]["infer_ms"]

    asyncio.run(main())


def test_the_policy_has_decided_before_anybody_can_ask(serve: Serve, found: Trained) -> None:
    counting = Counting(found.policy)

    async def main() -> None:
        async with serve(policy=counting):
            assert counting.sizes == [1]

    asyncio.run(main())


def test_clients_that_wait_together_are_decided_on_together(
    serve: Serve, client: Connect, found: Trained
) -> None:
    counting = Counting(found.policy)

    async def ask(url: str, x: float) -> None:
        async with client(url) as robot:
            await robot.receive()
            for _ in range(5):
                answer = await robot.infer(observed(x))
                expected = decided(found.policy, x, "go left")
                np.testing.assert_allclose(answer["actions"], expected, atol=1e-6)

    async def main() -> None:
        async with serve(policy=counting) as url, asyncio.TaskGroup() as robots:
            for i in range(6):
                robots.create_task(ask(url, i / 10))

    asyncio.run(main())
    assert sum(counting.sizes) == 1 + 30
    assert max(counting.sizes) > 1


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"observation/state": None}, "observation/state must be an array float32 [1]"),
        ({"observation/state": np.zeros(2)}, "it is float64 [2]"),
        ({"observation/state": np.array([np.nan])}, "observation/state must be finite"),
        ({"observation/state": np.array([1e300])}, "observation/state must be finite"),
        ({"observation/image": np.zeros((8, 8, 3))}, "uint8 [8, 8, 3], it is float64 [8, 8, 3]"),
        ({"observation/image": np.zeros((9, 8, 3), np.uint8)}, "it is uint8 [9, 8, 3]"),
        ({"prompt": b"go"}, "prompt must be a text, it is of type bytes"),
        ({"prompt": "é" * 65}, "prompt: instruction has 130 bytes, at most 128 fit"),
    ],
)
def test_an_observation_that_does_not_fit_is_explained_and_the_next_is_answered(
    serve: Serve, client: Connect, changed: Mapping[str, object], told: str
) -> None:
    async def main() -> None:
        async with serve() as url, client(url) as robot:
            await robot.receive()
            assert told in await robot.infer({**observed(), **changed})
            assert "actions" in await robot.infer(observed())

    asyncio.run(main())


def test_a_key_that_is_missing_is_named_with_what_was_expected(
    serve: Serve, client: Connect
) -> None:
    async def main() -> None:
        async with serve() as url, client(url) as robot:
            await robot.receive()
            seen = observed()
            seen["observation/joints"] = seen.pop("observation/state")
            assert await robot.infer(seen) == (
                "the observation lacks observation/state; expected are observation/image (uint8 "
                "[8, 8, 3]), observation/state (float32 [1]), prompt (text); it has "
                "'observation/image', 'observation/joints', 'prompt'"
            )
            assert "an observation is a map" in await robot.infer([1])
            assert "actions" in await robot.infer(observed() | {"more": 1})

    asyncio.run(main())


def test_without_a_convention_the_parts_have_rlvlas_names(serve: Serve, client: Connect) -> None:
    async def main() -> None:
        async with serve(names="rlvla") as url, client(url) as robot:
            told = await robot.receive()
            assert [*told["observation"]] == ["image/top", "proprio", "instruction"]
            parts = zip(told["observation"], observed().values(), strict=True)
            assert "actions" in await robot.infer(dict(parts))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("sent", "told", "code"),
    [
        (b"\xc1 garbage", "no message in msgpack", 1007),
        (b"\x91" * 100_000, "no message in msgpack", 1007),
        (b"\xdc\x04\x00" + b"\x80" * 1024, "no message in msgpack", 1007),
        ("text", "a binary message", 1003),
    ],
)
def test_what_is_no_message_ends_its_connection_alone(
    serve: Serve, client: Connect, sent: bytes | str, told: str, code: int
) -> None:
    async def main() -> None:
        async with serve() as url, client(url) as good, client(url) as bad:
            await good.receive()
            await bad.receive()
            await bad.connection.send(sent)
            assert told in await bad.receive()
            with pytest.raises(ConnectionClosed) as closed:
                await bad.receive()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == code
            assert "actions" in await good.infer(observed())

    asyncio.run(main())


def test_a_message_that_is_too_large_ends_its_connection_alone(
    serve: Serve, client: Connect
) -> None:
    async def main() -> None:
        async with serve() as url, client(url) as good:
            await good.receive()
            bad = await connect(url, compression=None)
            await bad.recv()
            with pytest.raises(ConnectionClosed) as closed:
                await exchange(bad, bytes((16 << 20) + 1))
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009
            assert "actions" in await good.infer(observed())

    asyncio.run(main())


def test_a_failing_policy_costs_one_client_its_connection_and_tells_nothing(
    serve: Serve, client: Connect, found: Trained, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        served = serve(policy=Counting(found.policy))
        async with served as url, client(url) as good, client(url) as bad:
            await good.receive()
            await bad.receive()
            async with asyncio.TaskGroup() as both:
                failed = both.create_task(bad.infer(observed(2.0)))
                answered = both.create_task(good.infer(observed()))
            assert (
                failed.result() == "the policy failed on this observation; the server's log has why"
            )
            assert "actions" in answered.result()
            with pytest.raises(ConnectionClosed) as closed:
                await bad.receive()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1011
            assert "actions" in await good.infer(observed())

    asyncio.run(main())
    assert "a secret of the server" in caplog.text


def test_without_the_key_nobody_gets_in(serve: Serve, client: Connect) -> None:
    async def main() -> None:
        async with serve(key="sesame") as url:
            for headers in ({}, {"Authorization": "Api-Key other"}, {"Authorization": "sesame"}):
                with pytest.raises(InvalidStatus) as refused:
                    async with client(url, **headers):
                        pass
                assert refused.value.response.status_code == 401
            async with client(url, Authorization="Api-Key sesame") as robot:
                assert (await robot.receive())["run"] == "toy"

    asyncio.run(main())


def test_a_web_page_cannot_reach_the_policy(serve: Serve) -> None:
    async def main() -> None:
        async with serve() as url:
            with pytest.raises(InvalidStatus) as refused:
                await connect(url, origin="https://example.com")  # pyright: ignore[reportArgumentType]
            assert refused.value.response.status_code == 403

    asyncio.run(main())


def test_healthz_answers_ok(serve: Serve) -> None:
    def get(url: str) -> tuple[int, bytes]:
        with urllib.request.urlopen(url.replace("ws:", "http:") + "/healthz") as answer:
            return answer.status, answer.read()

    async def main() -> None:
        async with serve(key="sesame") as url:
            assert await asyncio.to_thread(get, url) == (200, b"OK\n")

    asyncio.run(main())


def test_more_clients_than_seats_are_sent_away(serve: Serve, client: Connect) -> None:
    async def main() -> None:
        async with serve() as url, client(url) as first:
            await first.receive()
            others = [await connect(url) for _ in range(63)]
            for other in others:
                await other.recv()
            async with client(url) as last:
                with pytest.raises(ConnectionClosed) as closed:
                    await last.receive()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
            assert "actions" in await first.infer(observed())
            for other in others:
                await other.close()

    asyncio.run(main())


def test_stopping_the_server_ends_connections_in_good_order(serve: Serve, client: Connect) -> None:
    async def main() -> None:
        async with AsyncExitStack() as robots:
            async with serve() as url:
                robot = await robots.enter_async_context(client(url))
                await robot.receive()
            with pytest.raises(ConnectionClosed) as closed:
                await robot.receive()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001

    asyncio.run(main())
