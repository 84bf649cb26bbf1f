from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rlvla.core.batcher import Lockstep
from rlvla.core.errors import PluginError
from rlvla.core.evaluation import Evaluation, Evaluator
from rlvla.core.protocol import EvaluationProtocol
from rlvla.core.slots import Layout, Slots
from rlvla.core.types import Field, SimulatorSpec, Start

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World

TASKS = ("reach", "push")
SPEC = SimulatorSpec(
    cameras={"top": (1, 1), "wrist": (2, 2)},
    proprio=0,
    action_low=(-1.0,),
    action_high=(1.0,),
    max_steps=10,
    control_hz=10.0,
)


def _filmed(world: World) -> Slots:
    """Rows whose image from the top shows the ordinal of each observation in its lane."""
    layout = Layout(SPEC, {"action": Field((1, 1), "float32")})
    slots = Slots(layout, world.slots, bytearray(layout.row_bytes * world.slots))
    observe = world.rows.observe

    def show(slot: int, lane: int, ordinal: int) -> None:
        observe(slot, lane, ordinal)
        fields = layout.parts["observation"].items()
        rows = {name: np.zeros((1, *one.shape), one.dtype) for name, one in fields}
        rows["image/top"] += np.uint8(ordinal % 256)
        slots.write("observation", [slot], rows)

    world.rows.observe = show
    return slots


async def _evaluate(world: World, episodes: int, *, videos: int = 0, times: int = 1) -> Evaluation:
    evaluator = Evaluator(world.crew, [_filmed(world)])
    protocol = EvaluationProtocol(name="toy@v1", tasks=TASKS, episodes=episodes, max_steps=10)
    async with asyncio.TaskGroup() as group:
        group.create_task(world.batcher.run())
        found = await asyncio.gather(
            *(evaluator.evaluate(protocol, videos=videos) for _ in range(times))
        )
        world.batcher.close()
    return found[-1]


@pytest.mark.parametrize("loss", [0.0, 0.05])
@pytest.mark.parametrize("lanes", [1, 3, 50])
def test_each_held_out_start_is_played_to_its_end_whatever_is_lost(
    virtually: Callable[..., object], worlds: type[World], lanes: int, loss: float
) -> None:
    async def main() -> None:
        world = worlds(seed=3, lanes=lanes, version=6, loss=loss)
        evaluation = await _evaluate(world, 10)
        tally = evaluation.tally
        assert (tally.protocol, tally.version, tally.split) == ("toy@v1", 6, "eval")
        assert {name: task.episodes for name, task in tally.tasks.items()} == dict.fromkeys(
            TASKS, 10
        )
        assert 0 < tally.successes < tally.episodes
        assert set(world.shard.starts) == {
            Start(task, "eval", index) for task in TASKS for index in range(10)
        }
        assert evaluation.videos == {}
        assert len(world.free) == world.slots
        asked = [request for batch in world.generator.batches for request in batch]
        assert {request.temperature for request in asked} == {0.0}

    virtually(main())


def test_evaluations_take_turns(virtually: Callable[..., object], worlds: type[World]) -> None:
    async def main() -> None:
        world = worlds(seed=3, lanes=2)
        evaluation = await _evaluate(world, 5, times=3)
        assert evaluation.tally.episodes == 10
        per_turn = [sorted(map(repr, world.shard.starts[n : n + 10])) for n in (0, 10, 20)]
        assert per_turn[0] == per_turn[1] == per_turn[2]

    virtually(main())


@pytest.mark.parametrize("loss", [0.0, 0.2])
def test_a_video_shows_every_observation_of_one_whole_episode(
    virtually: Callable[..., object], worlds: type[World], loss: float
) -> None:
    async def main() -> None:
        world = worlds(seed=5, lanes=2, loss=loss, end=0.3)
        evaluation = await _evaluate(world, 3, videos=6)
        assert len(evaluation.videos) == 6
        decisions = evaluation.tally.mean_steps * 6 / 2
        assert sum(map(len, evaluation.videos.values())) == decisions + 6, "no lost attempt shows"
        for number, (name, frames) in enumerate(evaluation.videos.items()):
            assert name in (f"{number}-success", f"{number}-failure")
            shown = [int(frame[0, 0, 0]) for frame in frames]
            assert frames[0].shape == (1, 1, 3)
            assert len(shown) >= 2
            assert shown == list(range(shown[0], shown[0] + len(shown)))

    virtually(main())


def test_lanes_without_an_episode_do_not_hold_up_those_in_lockstep(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(seed=3, lanes=5, loss=0.05, rule=Lockstep())
        assert (await _evaluate(world, 6)).tally.episodes == 12

    virtually(main())


def test_more_videos_than_episodes_are_not_missed(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        evaluation = await _evaluate(worlds(seed=5, lanes=2), 1, videos=9)
        assert len(evaluation.videos) == 2

    virtually(main())


def test_a_lane_that_only_loses_episodes_ends_the_evaluation(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(lanes=1, loss=1)
        lost = pytest.RaisesExc(PluginError, match="8 episodes in a row")
        with pytest.RaisesGroup(lost, flatten_subgroups=True):
            await _evaluate(world, 1)
        assert len(world.free) == world.slots

    virtually(main())
