"""Every published protocol is played as it says, to the episode."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from toys.registered import protocols

from rlvla.core.evaluation import Evaluator
from rlvla.core.types import Start

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World

    from rlvla.core.protocol import EvaluationProtocol


def test_there_are_protocols_of_several_simulators() -> None:
    assert len({name.partition("_")[0] for name in protocols()}) >= 3


@pytest.mark.parametrize("protocol", protocols().values(), ids=protocols())
def test_each_episode_of_a_protocol_is_counted_once_whatever_is_lost(
    virtually: Callable[..., object], worlds: type[World], protocol: EvaluationProtocol
) -> None:
    async def main() -> None:
        world = worlds(seed=1, lanes=9, loss=0.01, end=0.9)
        evaluator = Evaluator(world.crew, [])
        async with asyncio.TaskGroup() as group:
            group.create_task(world.batcher.run())
            tally = (await evaluator.evaluate(protocol, videos=0)).tally
            world.batcher.close()
        assert tally.episodes == protocol.total == protocol.episodes * len(protocol.tasks)
        counted = {name: task.episodes for name, task in tally.tasks.items()}
        assert counted == dict.fromkeys(protocol.tasks, protocol.episodes)
        begun = Counter(world.shard.starts)
        assert {*begun} == {
            Start(task, "eval", index)
            for task in protocol.tasks
            for index in range(protocol.episodes)
        }
        assert begun.total() > protocol.total or protocol.total < 100  # some were lost

    virtually(main())
