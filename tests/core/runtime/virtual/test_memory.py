from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rlvla.core.runtime.virtual.memory import Memory, ViolationError
from rlvla.core.segment import Segment
from rlvla.core.types import Request, Start

if TYPE_CHECKING:
    from collections.abc import Callable


def _rolled_out() -> Memory:
    """Return a memory in which lane 5 went through slots 0, 1 and 2, decided by version 0."""
    memory = Memory(3, banks=2)
    memory.begun(5, 0, Start("go", "train", 0))
    for slot in (0, 1):
        memory.decide([_request(slot)], 0)
        memory.execute(5, slot)
        memory.follow(5, slot, slot + 1, ends=False)
    return memory


def _request(slot: int, lane: int = 5) -> Request:
    return Request(lane, slot, 0, 1.0)


def _segment(
    slots: tuple[int, ...] = (0, 1), bootstrap: tuple[int, ...] = (-1, 2), version: int = 0
) -> Segment:
    return Segment(5, slots, bootstrap, (version,) * len(slots), 3)


def test_an_honest_segment_is_trained_on_once() -> None:
    memory = _rolled_out()
    memory.train(_segment())
    with pytest.raises(ViolationError, match=r"^cell 3: slot 0 of .*, trained on: True$"):
        memory.train(_segment())


def _given_away(memory: Memory) -> None:
    memory.observe(6, 1)
    memory.train(_segment())


def _reused_by_its_own_lane(memory: Memory) -> None:
    memory.observe(5, 0)
    memory.train(_segment())


def _torn(memory: Memory) -> None:
    memory.tear([2])
    memory.train(_segment())


def _executed_twice(memory: Memory) -> None:
    memory.decide([_request(2)], 0)
    memory.execute(5, 2)
    memory.execute(5, 2)


DISHONEST: dict[str, tuple[Callable[[Memory], None], str]] = {
    "slot given away": (_given_away, "slot 1 should hold a row of lane 5, there is lane 6"),
    "slot reused": (_reused_by_its_own_lane, "with a result: False"),
    "torn observation": (_torn, "there is lane 5, whole: False"),
    "executed twice": (_executed_twice, "decision of lane 5 in slot 2 is executed twice"),
    "nothing there": (lambda memory: memory.look([_request(9)]), "there is nothing"),
    "old observation": (lambda memory: memory.look([_request(0)]), "its newest is 2"),
    "undecided": (lambda memory: memory.execute(5, 2), "nobody decided on the observation"),
    "wrong order": (lambda memory: memory.train(_segment((1, 0), (-1, -1))), "in time order"),
    "wrong version": (lambda memory: memory.train(_segment(version=1)), "of version 0, with"),
    "wrong bootstrap": (
        lambda memory: memory.train(_segment((0,), (2,))),
        "slot 2 of .* does not hold what followed 0",
    ),
}


@pytest.mark.parametrize("name", DISHONEST)
def test_whoever_is_wrong_about_a_slot_is_found_out(name: str) -> None:
    do, message = DISHONEST[name]
    with pytest.raises(ViolationError, match=message):
        do(_rolled_out())


def test_versions_are_whole_or_not_there_and_never_come_back() -> None:
    memory = Memory(0, banks=2)
    assert memory.version == -1
    memory.begin(0)
    assert memory.version == -1, "its writer may still die"
    memory.commit(0)
    memory.begin(1)
    assert memory.fetch(0, -1) == 0
    memory.commit(1)
    assert memory.fetch(0, -1) == 1
    assert memory.fetch(0, 0) == 0, "it is still in the other bank"
    memory.begin(2)
    with pytest.raises(ViolationError, match=r"version 0 was announced, \{1\} are there"):
        memory.fetch(0, 0)
    memory.commit(2)
    with pytest.raises(ViolationError, match="version 2 comes after 2"):
        memory.begin(2)


@pytest.mark.parametrize("heard", [False, True])
def test_a_repeated_episode_executes_its_lost_decision_again(*, heard: bool) -> None:
    memory = _rolled_out()
    memory.decide([_request(2)], 0)
    memory.execute(5, 2)
    if heard:
        memory.follow(5, 2, 8, ends=False)
    memory.repeat(5, [0, 1], 7)
    memory.execute(5, 2)
    memory.follow(5, 2, 3, ends=False)
    memory.train(_segment((0, 1, 2), (-1, -1, 3)))


@pytest.mark.parametrize("slots", [[0], [1], [1, 0], [0, 1, 2, 2]])
def test_a_lane_repeats_all_of_its_episode(slots: list[int]) -> None:
    memory = _rolled_out()
    memory.decide([_request(2)], 0)
    memory.execute(5, 2)
    memory.follow(5, 2, 3, ends=False)
    with pytest.raises(ViolationError, match=r"lane 5 repeats .* and has come to 3"):
        memory.repeat(5, slots, 7)
