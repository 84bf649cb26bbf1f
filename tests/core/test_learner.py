from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvla.core.admission import Admission
from rlvla.core.batcher import Lockstep
from rlvla.core.learner import Learner
from rlvla.core.ledger import Ledger
from rlvla.core.metrics import Metrics
from rlvla.core.progress import Progress
from rlvla.core.publisher import Publisher
from rlvla.core.segment import Segment
from rlvla.core.settings import Asynchrony, Budget, Phase
from rlvla.core.slots import FreeSlots
from rlvla.core.streamer import Streamer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conftest import World

    from rlvla.core.interfaces import Algorithm
    from rlvla.core.workers import TrainerWorker

UPDATES = 6


OPTIONS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32),
        "lanes": st.integers(1, 10),
        "max_staleness": st.integers(0, 4),
        "stream": st.booleans(),
        "loss": st.sampled_from([0.0, 0.0, 0.03]),
        "version": st.sampled_from([0, 5]),
    },
    optional={"rule": st.just(Lockstep())},
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(options=OPTIONS, length=st.integers(1, 4), segments=st.integers(1, 5))
def test_every_batch_is_whole_and_young_enough_and_no_decision_is_lost(
    virtually: Callable[..., object],
    worlds: type[World],
    options: dict[str, Any],
    length: int,
    segments: int,
) -> None:
    """The trainer of the world checks each segment: its rows, its versions and their age."""

    async def main() -> None:
        world = worlds(length=length, batch_size=length * segments, **options)
        await world.train(UPDATES, after=lambda: _balance(world))
        assert world.ledger.trained == UPDATES * world.batch_size == len(world.trainer.staleness)
        assert world.ledger.in_flight == world.length * len(world.streamer)
        world.free.release(await world.held())
        assert len(world.free) == world.slots, "every slot came back"

    virtually(main())


def _balance(world: World) -> None:
    assert world.ledger.balanced()
    reasons = set(world.ledger.dropped)
    assert reasons <= {"crash"}, "nothing is dropped for its age"
    if world.max_staleness == 0:
        assert world.ledger.in_flight == 0, "the synchronous schedule leaves nothing over"


@pytest.mark.parametrize("options", [{}, {"rule": Lockstep()}])
def test_without_staleness_each_batch_is_made_by_the_weights_it_trains(
    virtually: Callable[..., object], worlds: type[World], options: dict[str, Any]
) -> None:
    async def main() -> None:
        world = worlds(seed=2, lanes=6, max_staleness=0, **options)
        await world.train(20)
        assert set(world.trainer.staleness) == {0}

    virtually(main())


def test_with_staleness_lanes_go_on_while_the_trainer_works(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(seed=2, lanes=6, max_staleness=3)
        await world.train(30)
        assert set(world.trainer.staleness) == {0, 1, 2, 3}

    virtually(main())


@pytest.mark.parametrize("stream", [True, False])
def test_a_streaming_trainer_gets_the_batch_as_it_comes_and_another_as_a_whole(
    virtually: Callable[..., object], worlds: type[World], stream: bool
) -> None:
    async def main() -> None:
        world = worlds(seed=1, lanes=5, batch_size=16, stream=stream)
        await world.train(4)
        assert sum(world.trainer.calls) == 4 * 16
        assert (len(world.trainer.calls) > 4) == stream

    virtually(main())


def test_an_update_is_counted_and_its_version_goes_to_everybody(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(version=4)
        learner = world.learner()
        rows: list[dict[str, float]] = []
        rollout = world.rollout()
        async with asyncio.TaskGroup() as group:
            group.create_task(world.batcher.run())
            group.create_task(world.publisher.run())
            lanes = [group.create_task(rollout.run(lane)) for lane in world.crew]
            rows += [await learner.update(), await learner.update()]
            await world.publisher.settled()
            world.admission.close()
            await asyncio.wait(lanes)
            world.dispatcher.close()
            world.publisher.close()
        assert rows == [{"train/loss": 5.0}, {"train/loss": 6.0}]
        progress = world.progress
        assert (progress.updates, progress.decisions, progress.version) == (2, 16, 6)
        assert 0 < progress.seconds <= asyncio.get_running_loop().time()
        assert world.dispatcher.version == world.admission.version == 6
        assert world.metrics.row()["wait/trainer"] < 1

    virtually(main())


def test_learning_from_demonstrations_takes_nothing_from_the_lanes(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(demonstrations=3)
        learner = world.learner()
        for _ in range(3):
            await learner.update()
        assert (world.progress.updates, world.progress.decisions) == (3, 24)
        assert world.trainer.calls == []
        assert world.ledger.counts() == {"produced": 0, "trained": 0, "in_flight": 0}

    virtually(main())


def test_the_same_seed_gives_the_same_run(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> tuple[list[int], float, dict[str, int]]:
        world = worlds(seed=8, max_staleness=2, loss=0.02)
        await world.train(10)
        return world.trainer.staleness, world.progress.seconds, world.ledger.counts()

    assert virtually(main()) == virtually(main())


class Listening:
    """A trainer that remembers the lanes whose segments it was given."""

    def __init__(self) -> None:
        self.lanes: list[int] = []

    async def accumulate(self, segments: Sequence[Segment]) -> None:
        self.lanes += [segment.lane for segment in segments]

    async def step(self) -> dict[str, float]:
        return {}


def test_segment_that_is_too_old_is_counted_and_never_trained_on(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        trainer = Listening()
        learner = learner_at(version=3, trainer=trainer)
        admission, streamer = (
            cast("Admission", learner.admission),
            cast("Streamer", learner.streamer),
        )
        for lane, version in ((0, 1), (1, 2)):
            learner.ledger.produce()
            streamer.open(lane, version=version, places=1)
            segment = Segment(lane, (learner.free[0].take(),), (-1,), (version,))
            streamer.put(segment)
        await learner.update()
        assert trainer.lanes == [1]
        assert learner.ledger.counts() == {
            "produced": 2,
            "trained": 1,
            "in_flight": 0,
            "dropped_stale": 1,
        }
        assert len(learner.free[0]) == 2
        assert admission.accepted == 3 - 1

    virtually(main())


def learner_at(*, version: int, trainer: Listening) -> Learner:
    admission = Admission(batch_size=1, max_staleness=1, version=version)
    options = Options()
    return Learner(
        phase=Phase("options", cast("Algorithm", options), Budget(updates=9)),
        asynchrony=Asynchrony(max_staleness=1, segment=1),
        progress=Progress(version=version),
        trainer=cast("TrainerWorker", trainer),
        publisher=Publisher(cast("TrainerWorker", trainer), [], admission),
        admission=admission,
        streamer=Streamer(batch_size=1, max_staleness=1),
        ledger=Ledger(),
        free=[FreeSlots(2)],
        metrics=Metrics(1),
    )


@dataclass
class Options:
    batch_size: int = 1
    demonstrations: int = 0
