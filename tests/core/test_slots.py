from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvla.core.errors import TrainingError
from rlvla.core.slots import ALIGNMENT, PARTS, FreeSlots, Layout, Slots, TornRowError
from rlvla.core.types import Field, SimulatorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rlvla.core.types import Array

SPEC = SimulatorSpec(
    cameras={"top": (4, 6), "wrist": (3, 3)},
    proprio=5,
    action_low=(-1.0, -1.0),
    action_high=(1.0, 1.0),
    max_steps=10,
    control_hz=10.0,
)
DECISION = {
    "action": Field((3, 2), "float32"),
    "log_prob": Field((3, 7), "float32"),
    "value": Field((1,), "float32"),
    "tokens": Field((3, 7), "int64"),
}
COUNT = 6


class WriterKilledError(Exception):
    """Stands for the end of the process that writes."""


class Dying(dict[str, "Array"]):
    """Values of which the writer still gets `alive`, then it dies."""

    def __init__(self, values: dict[str, Array], alive: int) -> None:
        super().__init__(values)
        self.alive = alive

    def __getitem__(self, name: str) -> Array:
        self.alive -= 1
        if self.alive < 0:
            raise WriterKilledError
        return super().__getitem__(name)


class Overtaking(dict[str, Field]):
    """Fields between two of which somebody else acts, once."""

    def __init__(self, fields: dict[str, Field], act: Callable[[], None]) -> None:
        super().__init__(fields)
        self.act: Callable[[], None] | None = act

    def __iter__(self) -> Iterator[str]:
        for name in super().__iter__():
            yield name
            if self.act is not None:
                act, self.act = self.act, None
                act()


def _slots() -> Slots:
    layout = Layout(SPEC, DECISION)
    return Slots(layout, COUNT, bytearray(layout.row_bytes * COUNT))


def _values(slots: Slots, part: str, count: int, seed: int) -> dict[str, Array]:
    dice = np.random.default_rng(seed)
    return {
        name: dice.integers(0, 2, (count, *one.shape)).astype(one.dtype)
        if one.dtype == "bool"
        else dice.integers(0, 255, (count, *one.shape)).astype(one.dtype)
        for name, one in slots.layout.parts[part].items()
    }


def test_no_two_fields_share_a_byte_and_each_is_aligned() -> None:
    layout = Layout(SPEC, DECISION)
    end = 0
    for offset, one in layout.offsets.values():
        assert offset >= end
        assert offset % ALIGNMENT == 0
        end = offset + int(np.prod(one.shape)) * np.dtype(one.dtype).itemsize
    assert end <= layout.row_bytes
    assert layout.row_bytes % ALIGNMENT == 0
    assert layout.parts["result"]["reward"].shape == (3,)
    assert layout.parts["observation"]["privileged"].shape == (0,)


@given(
    picks=st.lists(st.permutations(range(COUNT)), min_size=1, max_size=5), seed=st.integers(0, 9)
)
def test_what_was_written_last_is_read_whatever_the_order_of_slots(
    picks: list[list[int]], seed: int
) -> None:
    slots = _slots()
    last: dict[tuple[str, int], tuple[dict[str, Array], int]] = {}
    for turn, pick in enumerate(picks):
        for part in PARTS:
            chosen = pick[: 1 + (turn + seed) % COUNT]
            values = _values(slots, part, len(chosen), seed + turn)
            slots.write(part, chosen, values)
            last |= {(part, slot): (values, place) for place, slot in enumerate(chosen)}
    for (part, slot), (values, place) in last.items():
        for name, read in slots.read([slot], part).items():
            np.testing.assert_array_equal(read[0], values[name][place])
    known = [slot for slot in picks[0] if all((part, slot) in last for part in PARTS)]
    rows = slots.read(known, *PARTS)
    assert set(rows) == {name for part in slots.layout.parts.values() for name in part}


def test_two_maps_of_the_same_memory_show_the_same_rows_and_reads_are_copies() -> None:
    layout = Layout(SPEC, DECISION)
    memory = bytearray(layout.row_bytes * COUNT)
    writer, reader = Slots(layout, COUNT, memory), Slots(layout, COUNT, memory)
    writer.write("decision", [4], _values(writer, "decision", 1, 0))
    first = reader.read([4], "decision")
    copy = first["action"].copy()
    writer.write("decision", [4], _values(writer, "decision", 1, 1))
    np.testing.assert_array_equal(first["action"], copy)
    assert not np.array_equal(reader.read([4], "decision")["action"], copy)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_nobody_wrote_is_not_read(part: str) -> None:
    slots = _slots()
    for other in set(PARTS) - {part}:
        slots.write(other, [2], _values(slots, other, 1, 0))
    with pytest.raises(TornRowError, match=rf"^the {part} of slots \[2\] is not whole$"):
        slots.read([2], *PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_whose_writer_died_at_any_moment_is_not_read_until_it_is_written_again(
    part: str,
) -> None:
    slots = _slots()
    slots.write(part, range(COUNT), _values(slots, part, COUNT, 0))
    for alive in range(len(slots.layout.parts[part])):
        with pytest.raises(WriterKilledError):
            slots.write(part, [1, 3], Dying(_values(slots, part, 2, 1), alive))
        with pytest.raises(TornRowError, match=rf"^the {part} of slots \[3, 1\] is not whole$"):
            slots.read([0, 3, 2, 1], part)
        slots.read([0, 2], part)
        slots.write(part, [3, 1], _values(slots, part, 2, 2))
        slots.read([0, 3, 2, 1], part)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_written_while_it_is_read_is_not_taken(part: str) -> None:
    slots = _slots()
    slots.write(part, [0, 5], _values(slots, part, 2, 0))
    fields = slots.layout.parts[part]
    slots.layout.parts[part] = Overtaking(
        fields, lambda: slots.write(part, [5], _values(slots, part, 1, 1))
    )
    with pytest.raises(TornRowError, match=r"^slots \[0, 5\] were written while they were read$"):
        slots.read([0, 5], part)
    slots.read([0, 5], part)


def test_another_part_may_be_written_while_one_is_read() -> None:
    slots = _slots()
    slots.write("observation", [0], _values(slots, "observation", 1, 0))
    slots.layout.parts["observation"] = Overtaking(
        slots.layout.parts["observation"],
        lambda: slots.write("decision", [0], _values(slots, "decision", 1, 1)),
    )
    assert set(slots.read([0], "observation")) == set(slots.layout.parts["observation"])


@pytest.mark.parametrize("seed", range(30))
def test_no_slot_is_given_twice_and_all_come_back(seed: int) -> None:
    dice = random.Random(seed)
    free = FreeSlots(20)
    held: list[int] = []
    for _ in range(500):
        if len(free) and dice.random() < 0.5:
            slot = free.take()
            assert slot not in held
            held.append(slot)
        elif held and dice.random() < 0.4:
            slot = dice.choice(held)
            free.hold(slot)
            held.append(slot)
        else:
            dice.shuffle(held)
            count = dice.randrange(4)
            free.release([*held[:count], -1])
            held = held[count:]
        assert len(free) == 20 - len(set(held))
    free.release(held)
    assert sorted(free.take() for _ in range(20)) == list(range(20))


def test_a_slot_that_nobody_holds_can_be_neither_kept_nor_released() -> None:
    free = FreeSlots(2)
    slot = free.take()
    free.release([slot])
    with pytest.raises(KeyError):
        free.release([slot])
    with pytest.raises(KeyError):
        free.hold(slot)
    assert len(free) == 2


def test_full_memory_is_told() -> None:
    free = FreeSlots(1)
    free.take()
    with pytest.raises(TrainingError, match=r"^the shared memory is full: "):
        free.take()
