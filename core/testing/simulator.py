"""Checks of simulators: they play episodes and compare what is shown with what was promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from rlvla.core.settings import published_by
from rlvla.core.testing.batches import check_batches
from rlvla.core.testing.conformance import ConformanceError, check_description, expect
from rlvla.core.testing.lane import Lane
from rlvla.core.types import Start

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rlvla.core.interfaces import ExpertSimulator, Simulator
    from rlvla.core.types import Array


def check_simulator(simulator: Simulator, *, episodes: int = 2) -> None:
    """Check a simulator that is not started yet; it is started and closed.

    Plays `episodes` per task with random actions: alone, in chunks and while another lane is
    busy, which must give the same; a batched one plays in calls for one lane and for two, too. Then
    asks the expert, if there is one. Tasks of its published protocols are played, too.
    """
    check_description(simulator)
    _check_spec(simulator)
    _check_protocols(simulator)
    simulator.start(2)
    try:
        for task in tasks_of(simulator):
            for index in range(episodes):
                _check_episode(simulator, Start(task, "train", index, seed=1))
            if simulator.spec.batched:
                check_batches([Lane(simulator, number) for number in range(2)], task)
            if hasattr(simulator, "expert"):
                _check_expert(cast("ExpertSimulator", simulator), Start(task, "eval", 0))
    finally:
        simulator.close()


def tasks_of(simulator: Simulator) -> list[str]:
    """Return the tasks that are trained or measured by a published protocol, each once."""
    measured = [task for one in published_by(simulator) for task in one.tasks]
    return [*dict.fromkeys([*simulator.tasks, *measured])]


def _check_spec(simulator: Simulator) -> None:
    spec, tasks = simulator.spec, [*simulator.tasks]
    low, high = spec.action_low, spec.action_high
    expect(f"lanes must be at least 1, it is {simulator.lanes}", holds=simulator.lanes >= 1)
    expect(f"tasks must name each task once, it is {tasks}", holds=len({*tasks}) == len(tasks) > 0)
    expect("action_low and action_high must be of the same length", holds=len(low) == len(high) > 0)
    expect(
        "action_low must be below action_high in every dimension",
        holds=all(below < above for below, above in zip(low, high, strict=True)),
    )
    expect(
        "action_low and action_high must be whole numbers if actions are discrete",
        holds=not spec.discrete or all(float(one).is_integer() for one in (*low, *high)),
    )
    expect(f"max_steps must be at least 1, it is {spec.max_steps}", holds=spec.max_steps >= 1)
    expect(f"control_hz must be positive, it is {spec.control_hz}", holds=spec.control_hz > 0)
    expect("spec must be equal whenever it is asked for", holds=spec == simulator.spec)


def _check_protocols(simulator: Simulator) -> None:
    limit, names = simulator.spec.max_steps, [one.name for one in published_by(simulator)]
    expect(f"protocols must have names of their own, they are {names}", holds=_are_unique(names))
    for one in published_by(simulator):
        expect(
            f"protocol {one.name!r} must cut episodes where the simulator does, after {limit} "
            f"actions, not {one.max_steps}",
            holds=one.max_steps == limit,
        )


def _are_unique(names: Sequence[str]) -> bool:
    return len({*names}) == len(names)


def _check_episode(simulator: Simulator, start: Start) -> None:
    spec = simulator.spec
    low, high = np.asarray(spec.action_low), np.asarray(spec.action_high)
    random = np.random.default_rng(start.index)
    actions = random.uniform(low, high, (spec.max_steps, len(low))).astype(np.float32)
    lane, other = Lane(simulator, 0), Lane(simulator, 1)
    shown, paid = _play(lane, start, actions[:, None])
    shown_again, _ = _play(lane, start, _disturbed(actions[:, None], other, start))
    expect(
        f"task {start.task!r}: equal starts and actions must show the same, "
        "whatever other lanes do in between",
        holds=_same(shown, shown_again),
    )
    _, paid_in_chunks = _play(other, start, _chunks(actions))
    expect(
        f"task {start.task!r}: the same actions must pay the same in chunks as one by one",
        holds=len(paid) == len(paid_in_chunks) and np.allclose(paid, paid_in_chunks, atol=1e-6),
    )


def _play(
    lane: Lane, start: Start, chunks: Iterable[Array]
) -> tuple[list[dict[str, Array]], list[float]]:
    """Play an episode to its end; return what was shown and paid."""
    shown, paid = [lane.reset(start)], list[float]()
    for chunk in chunks:
        row, result = lane.step(chunk)
        shown.append(row)
        expect(
            f"task {start.task!r}: the instruction of an episode must stay the same",
            holds=np.array_equal(row["instruction"], shown[0]["instruction"]),
        )
        paid += result.reward[result.valid].tolist()
        if result.terminated.any() or result.truncated.any():
            return shown, paid
    limit = lane.simulator.spec.max_steps
    raise ConformanceError(f"an episode must end within max_steps, {limit} actions")


def _disturbed(chunks: Iterable[Array], other: Lane, start: Start) -> Iterator[Array]:
    """Let another lane begin an episode, and leave it, before each step."""
    for index, chunk in enumerate(chunks):
        other.reset(Start(start.task, "train", index + 1, seed=2))
        other.step(chunk)
        yield chunk


def _chunks(actions: Array) -> Iterator[Array]:
    """Cut actions in two chunks; the second has room for more than the time limit leaves."""
    size = len(actions) // 2 + 1
    yield actions[:size]
    yield np.concatenate([actions[size:], actions[: 2 * size - len(actions)]])


def _check_expert(simulator: ExpertSimulator, start: Start) -> None:
    spec, lane = simulator.spec, Lane(simulator, 0)
    low, high = np.array([spec.action_low, spec.action_high], np.float32)
    lane.reset(start)
    for _ in range(spec.max_steps):
        action = simulator.expert(0)
        expect(
            f"the expert's action must be float32 [{spec.action_dim}], "
            f"it is {action.dtype} {list(action.shape)}",
            holds=action.dtype == np.dtype("float32") and action.shape == (spec.action_dim,),
        )
        inside = (action >= low) & (action <= high)
        expect(f"the expert's action must be within the bounds, it is {action}", holds=inside.all())
        _, result = lane.step(action[None])
        if result.terminated.any() or result.truncated.any():
            return


def _same(one: list[dict[str, Array]], two: list[dict[str, Array]]) -> bool:
    return len(one) == len(two) and all(
        np.array_equal(row[name], other[name])
        for row, other in zip(one, two, strict=True)
        for name in row
    )
