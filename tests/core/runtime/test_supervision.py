from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from rlvla.core.errors import LaneLostError
from rlvla.core.runtime.recycling import Recycle
from rlvla.core.runtime.supervised import Deadlines, Supervised
from rlvla.core.runtime.supervised_shard import NEVER, SupervisedShard
from rlvla.core.types import Start

if TYPE_CHECKING:
    from rlvla.core.runtime.link import Listener
    from rlvla.core.runtime.wire import Message

START = Start("reach", "train", 0)


class Mortal:
    """A link to a batched simulator worker that answers at once until it is killed.

    The first action of an episode ends it in lane 1.
    """

    def __init__(self, name: str, listener: Listener) -> None:
        del name
        self._listener = listener
        self.stepped: list[int] = []
        self.left = False
        self.bytes = 0

    def send(self, number: int, method: str, values: Message, named: Message) -> None:
        del named
        lanes = [move[0] for move in values[0]] if method == "step_batch" else []
        self.stepped += lanes
        result = [[0.0, 1, lane == 1, False, False] for lane in lanes]
        asyncio.get_running_loop().call_soon(self._listener.answered, number, "ok", result)

    def memory(self) -> int:
        return self.bytes

    def hang_up(self) -> None:
        self.left = True
        self._listener.ended("exit code 0")

    def kill(self) -> None:
        self._listener.ended("killed")


def supervised(*lanes: int, recycle: Recycle = NEVER) -> tuple[SupervisedShard, list[Mortal]]:
    """Return a shard and the workers that it will have had."""
    links: list[Mortal] = []

    def connect(name: str, listener: Listener) -> Mortal:
        links.append(Mortal(name, listener))
        return links[-1]

    worker = Supervised("simulator", connect, Deadlines(), ("simulator", {}))
    return SupervisedShard(lanes, worker, recycle), links


def test_a_batch_is_lost_if_a_lane_of_it_began_under_a_worker_that_has_ended() -> None:
    async def main() -> None:
        shard, links = supervised(0, 2)
        await shard.reset_batch([(0, START, 0), (2, START, 1)])
        assert len(await shard.step_batch([(0, 0, 2), (2, 1, 3)])) == 2
        links[0].kill()
        await shard.reset_batch([(0, START, 0)])
        with pytest.raises(LaneLostError, match="simulator has ended"):
            await shard.step_batch([(0, 0, 2), (2, 1, 3)])
        await shard.reset_batch([(2, START, 1)])
        assert len(await shard.step_batch([(0, 0, 2), (2, 1, 3)])) == 2

    asyncio.run(main())


def test_a_worker_begins_as_many_episodes_as_it_may_and_ends_with_the_last_of_them() -> None:
    async def main() -> None:
        shard, links = supervised(0, 1, 2, recycle=Recycle(episodes=3))
        await asyncio.gather(*(shard.reset(lane, START, into=lane) for lane in (0, 1, 2)))
        await asyncio.gather(*(shard.reset(lane, START, into=lane) for lane in (0, 1)))
        first, second = links  # two that ask at once get one successor
        assert len(await shard.step_batch([(0, 0, 3), (1, 1, 4), (2, 2, 5)])) == 3
        assert (first.stepped, second.stepped) == ([2], [0, 1])
        assert not first.left
        await shard.reset(2, START, into=2)
        assert first.left
        assert not second.left
        await shard.close()
        assert second.left

    asyncio.run(main())


def test_a_lane_whose_episode_is_over_keeps_no_worker_that_retires() -> None:
    async def main() -> None:
        shard, links = supervised(0, 1, recycle=Recycle(memory_gib=1))
        await shard.reset(1, START, into=1)
        links[0].bytes = 2 << 30
        assert (await shard.step_batch([(1, 1, 2)]))[0].done
        assert not links[0].left
        await shard.reset(0, START, into=0)
        assert [one.left for one in links] == [True, False]
        await shard.close()

    asyncio.run(main())


def test_what_is_to_be_recycled_must_be_something() -> None:
    with pytest.raises(ValueError, match="episodes must be positive, got 0"):
        Recycle(episodes=0)
