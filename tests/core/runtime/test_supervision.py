from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from rlvla.core.errors import LaneLostError
from rlvla.core.runtime.supervised import Deadlines, Supervised
from rlvla.core.runtime.supervised_shard import SupervisedShard
from rlvla.core.types import Start

if TYPE_CHECKING:
    from rlvla.core.runtime.link import Listener
    from rlvla.core.runtime.wire import Message

START = Start("reach", "train", 0)


class Mortal:
    """A link to a batched simulator worker that answers at once until it is killed."""

    def __init__(self, name: str, listener: Listener) -> None:
        del name
        self._listener = listener

    def send(self, number: int, method: str, values: Message, named: Message) -> None:
        del named
        count = len(values[0]) if method == "step_batch" else 0
        result = [[0.0, 1, False, False, False]] * count
        asyncio.get_running_loop().call_soon(self._listener.answered, number, "ok", result)

    def memory(self) -> int:
        return 0

    def hang_up(self) -> None:
        self.kill()

    def kill(self) -> None:
        self._listener.ended("killed")


def test_a_batch_is_lost_if_a_lane_of_it_began_under_a_worker_that_has_ended() -> None:
    async def main() -> None:
        links: list[Mortal] = []

        def connect(name: str, listener: Listener) -> Mortal:
            links.append(Mortal(name, listener))
            return links[-1]

        worker = Supervised("simulator", connect, Deadlines(), ("simulator", {}))
        shard = SupervisedShard([0, 1], worker)
        await shard.reset_batch([(0, START, 0), (1, START, 1)])
        assert len(await shard.step_batch([(0, 0, 2), (1, 1, 3)])) == 2
        links[0].kill()
        await shard.reset_batch([(0, START, 0)])
        with pytest.raises(LaneLostError, match="simulator has ended"):
            await shard.step_batch([(0, 0, 2), (1, 1, 3)])
        await shard.reset_batch([(1, START, 1)])
        assert len(await shard.step_batch([(0, 0, 2), (1, 1, 3)])) == 2

    asyncio.run(main())
