from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from toys.line import Line
from toys.processes import workers_of
from toys.tiny import Tiny

from rlvla.core.component import describe
from rlvla.core.errors import LaneLostError, PluginError
from rlvla.core.memory import SharedMemory
from rlvla.core.placement import Resources
from rlvla.core.runtime.build import layout_of
from rlvla.core.runtime.calls import AnswerError, Calls, Within, WorkerDiedError
from rlvla.core.runtime.local import Local
from rlvla.core.runtime.process import Launch
from rlvla.core.runtime.recycling import Recycle
from rlvla.core.runtime.shard_job import shard_job
from rlvla.core.runtime.supervised import Deadlines, Supervised
from rlvla.core.runtime.supervised_shard import NEVER, SupervisedShard
from rlvla.core.slots import Slots
from rlvla.core.types import Start
from rlvla.core.workers import Job
from rlvla.plugins.algorithms.ppo import PPO

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

START = Start("go", "train", 0)
SOON = Within("start", 30)


def with_shard(
    logs: Path,
    line: Line,
    body: Callable[[SupervisedShard, Slots], Awaitable[None]],
    *,
    recycle: Recycle = NEVER,
    **deadlines: float,
) -> None:
    """Run `body` with a shard of two lanes and the rows that it shares."""
    job = Job(simulator=line, model=Tiny(), algorithm=PPO(), lanes=[[0, 1]], slots=8, seed=0)
    layout = layout_of(job)
    rows, weights = SharedMemory(layout.row_bytes * 8, "slots"), SharedMemory(0, "weights")
    slots = Slots(layout, 8, rows.map())
    fields = layout.parts["decision"]
    decision = {name: np.ones((8, *one.shape), one.dtype) for name, one in fields.items()}
    slots.write("decision", range(8), decision)

    async def main() -> None:
        launch = Launch(slots=rows.fd, weights=weights.fd, turns=weights.fd, logs=logs)
        recipe = ("shard", describe(shard_job(job, 0)))
        worker = Supervised("simulator-0", launch.connect, Deadlines(**deadlines), recipe)
        shard = SupervisedShard([0, 1], worker, recycle)
        try:
            await shard.ready()
            await body(shard, slots)
        finally:
            await shard.close()

    asyncio.run(main())
    rows.close()
    weights.close()


def test_a_replaced_worker_does_not_go_on_with_episodes_of_the_one_before(tmp_path: Path) -> None:
    async def body(shard: SupervisedShard, slots: Slots) -> None:
        await shard.reset(0, START, into=0)
        await shard.reset(1, START, into=1)
        assert (await shard.step(0, 0, into=2)).steps == 1
        (pid,) = workers_of()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(LaneLostError, match=r"lane 0: simulator-0 ended with exit code -9; "):
            await shard.step(0, 2, into=3)
        await shard.reset(0, START, into=4)
        assert workers_of() != [pid]
        with pytest.raises(LaneLostError, match="lane 1: simulator-0 has ended") as lost:
            await shard.step(1, 1, into=5)
        assert lost.value.reason == "crash"
        assert (await shard.step(0, 4, into=6)).steps == 1
        assert slots.read([6], "observation")["proprio"][0] > 0

    with_shard(tmp_path, Line(), body)


def test_a_hung_worker_is_killed_when_its_call_is_overdue_and_not_before(tmp_path: Path) -> None:
    async def body(shard: SupervisedShard, slots: Slots) -> None:
        del slots
        await asyncio.gather(*(shard.reset(lane, START, into=lane) for lane in (0, 1)))
        await asyncio.gather(shard.step(0, 0, into=2), shard.step(1, 1, into=3))
        began = time.monotonic()
        both = (shard.step(0, 2, into=4), shard.step(1, 3, into=5))
        lost = await asyncio.gather(*both, return_exceptions=True)
        assert 0.5 <= time.monotonic() - began < 3
        for one in lost:
            assert isinstance(one, LaneLostError)
            assert one.reason == "hang"
            assert "simulator-0 passed its step time-out of 0.5 s" in str(one)

    line = Line(fault="hang", after=3, delay_s=0.3)
    with_shard(tmp_path, line, body, step=0.5)


def test_each_time_out_is_told_by_its_name(tmp_path: Path) -> None:
    async def resets(shard: SupervisedShard, slots: Slots) -> None:
        del slots
        with pytest.raises(LaneLostError, match="lane 0: simulator-0 passed its reset time-out"):
            await shard.reset(0, START, into=0)

    async def nothing(shard: SupervisedShard, slots: Slots) -> None:
        del shard, slots

    with_shard(tmp_path, Line(fault="hang_in_reset", after=1), resets, reset=0.3)
    with pytest.raises(WorkerDiedError, match=r"simulator-0 passed its start time-out of 3 s"):
        with_shard(tmp_path, Line(fault="hang_in_start"), nothing, start=3)


def test_a_worker_that_does_not_close_is_killed_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(shard: SupervisedShard, slots: Slots) -> None:
        del slots
        await shard.reset(0, START, into=0)

    with_shard(tmp_path, Line(fault="hang_in_close"), body, close=0.3)
    assert workers_of() == []
    (told,) = caplog.messages
    assert told == "simulator-0 passed its close time-out of 0.3 s and was killed"


def test_a_worker_that_has_too_much_memory_is_replaced_when_its_episodes_are_over(
    tmp_path: Path,
) -> None:
    async def body(shard: SupervisedShard, slots: Slots) -> None:
        await shard.reset(0, START, into=0)
        (first,) = workers_of()
        await shard.reset(1, START, into=1)
        assert first in workers_of()
        assert len(workers_of()) == 2
        outcome = await shard.step(0, 0, into=2)  # its episode goes on where it was
        assert (outcome.steps, outcome.done) == (1, False)
        assert slots.read([2], "observation")["proprio"][0] > 0
        await shard.reset(0, START, into=3)
        for _ in range(500):
            if first not in workers_of():
                break
            await asyncio.sleep(0.02)
        assert first not in workers_of()
        assert (await shard.step(1, 1, into=4)).steps == 1

    with_shard(tmp_path, Line(), body, recycle=Recycle(memory_gib=0.001))


def test_an_expert_and_what_it_needs_cross_the_process_boundary(tmp_path: Path) -> None:
    async def body(shard: SupervisedShard, slots: Slots) -> None:
        await shard.reset(1, START, into=0)
        outcome = await shard.demonstrate(1, 0, into=1)
        assert (outcome.steps, outcome.done) == (1, False)
        assert slots.read([0], "decision")["action"][0] == 1

    with_shard(tmp_path, Line(), body)


def test_a_worker_that_cannot_be_built_says_why_and_is_gone(tmp_path: Path) -> None:
    async def main() -> None:
        with closing(SharedMemory(4096, "test")) as memory:
            fd = memory.fd
            launch = Launch(slots=fd, weights=fd, turns=fd, logs=tmp_path)
            worker = Calls("simulator-0", launch.connect)
            with pytest.raises(AnswerError, match="KeyError: 'simulator'") as caught:
                await worker.call("build", "trainer", {}, within=SOON)
            assert caught.value.kind == "error"
            began = time.monotonic()
            await worker.close(SOON)
            assert time.monotonic() - began < 5
            with pytest.raises(WorkerDiedError, match="simulator-0 has ended"):
                await worker.call("step", within=SOON)

    asyncio.run(main())
    assert "KeyError" in (tmp_path / "simulator-0.log").read_text()


def test_a_time_out_must_be_positive() -> None:
    with pytest.raises(ValueError, match="step_timeout_s must be positive, got 0"):
        Local(step_timeout_s=0)


def test_a_simulator_that_a_worker_cannot_import_ends_the_run(tmp_path: Path) -> None:
    class Hidden(Line):
        """Nobody finds it by its name."""

    async def body(shard: SupervisedShard, slots: Slots) -> None:
        raise AssertionError(shard, slots)

    with pytest.raises(PluginError, match=r"simulator-0 could not be started: .*Error"):
        with_shard(tmp_path, Hidden(), body)


def test_a_worker_has_the_cores_and_the_device_of_its_placement(tmp_path: Path) -> None:
    core = max(os.sched_getaffinity(0))

    async def main() -> None:
        with closing(SharedMemory(4096, "test")) as memory:
            launch = Launch(
                slots=memory.fd,
                weights=memory.fd,
                turns=memory.fd,
                logs=tmp_path,
                number=3,
                resources=Resources(cores=(core,), gpus=(5, 7)),
            )
            worker = Calls("generator-3", launch.connect)
            with pytest.raises(AnswerError):  # it has bound itself before it answers
                await worker.call("build", "generator", {}, within=SOON)
            (pid,) = workers_of()
            assert os.sched_getaffinity(pid) == {core}
            assert b"CUDA_VISIBLE_DEVICES=7" in _environment(pid)
            assert 1 << 20 < worker.memory < 1 << 30
            await worker.close(SOON)
            assert worker.memory == 0

    asyncio.run(main())


def _environment(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
