from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvla.plugins.schedulers.even import Even
from rlvla.plugins.schedulers.locality import Locality
from rlvla.plugins.schedulers.stealing import Stealing
from rlvla.plugins.schedulers.tables import Tables


@given(st.integers(1, 32), st.integers(1, 32), st.integers(0, 200))
def test_even_blocks_differ_by_one_lane_at_most(shards: int, generators: int, more: int) -> None:
    lanes = max(shards, generators) + more
    made = Even(shards=shards, generators=generators).assign(lanes)
    assert made.groups == made.workers == tuple(sorted(made.workers))
    for owned, parts in ((made.shards, shards), (made.served, generators)):
        sizes = [len(part) for part in owned]
        assert len(sizes) == parts
        assert max(sizes) - min(sizes) <= 1


def test_the_first_shards_take_the_lanes_that_are_left_over() -> None:
    assert Even(shards=3).assign(8).shards == [[0, 1, 2], [3, 4, 5], [6, 7]]


def test_a_batch_stays_whole_unless_told_otherwise() -> None:
    assert len(Even().assign(8).shards) == 2
    assert len(Even().assign(8, batched=True).shards) == 1
    assert len(Even(shards=4).assign(8, batched=True).shards) == 4


def test_more_parts_than_lanes_are_refused() -> None:
    for name in ("shards", "generators", "groups"):
        with pytest.raises(ValueError, match=f"^{name} must be at most the number of lanes, 1, "):
            Even(**{name: 2}).assign(1)
        with pytest.raises(ValueError, match=f"^{name} must be at least 1, got 0$"):
            Even(**{name: 0})


def test_stealing_is_even_with_stealing() -> None:
    made = Stealing(shards=3, generators=2).assign(12)
    assert made.stealing
    assert made.served == Even(shards=3, generators=2).assign(12).served


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 50))
def test_local_lanes_meet_as_few_generators_as_can_be(
    shards: int, generators: int, more: int
) -> None:
    lanes = shards * -(-generators // shards) + more
    made = Locality(shards=shards, generators=generators).assign(lanes)
    met = [{made.generators[lane] for lane in shard} for shard in made.shards]
    assert max(map(len, met)) == -(-generators // shards)
    assert len(made.served) == generators


def test_hybrid_placement_by_locality() -> None:
    made = Locality(shards=6, generators=2).assign(12)
    assert made.generators == (0,) * 6 + (1,) * 6


def test_tables_say_who_owns_and_who_serves() -> None:
    made = Tables(
        lanes=[[3, 2], [2]],
        generators=[[[0, 1], [1]], [[0, 1]]],
        splits=[[[1, 2], [2]], [[1, 1]]],
    ).assign(7)
    assert made.workers == (0, 0, 0, 0, 0, 1, 1)
    assert made.groups == (0, 0, 0, 2, 2, 1, 1)
    assert made.generators == (0, 1, 1, 1, 1, 0, 1)


def test_tables_default_to_one_generator_and_even_splits() -> None:
    assert Tables(lanes=[[2], [2]]).assign(4).generators == (0, 0, 0, 0)
    assert Tables(lanes=[[3]], generators=[[[0, 1]]]).assign(3).generators == (0, 0, 1)


def test_tables_of_another_number_of_lanes_are_shown() -> None:
    with pytest.raises(ValueError, match=r"^lanes lists 5 of 6 lanes:\n  simulator 0: 3, 2$"):
        Tables(lanes=[[3, 2]]).assign(6)


@pytest.mark.parametrize(
    ("generators", "splits", "told"),
    [
        ([[[0]], [[0]]], None, r"^generators needs one list for each manager of lanes:\n  sim"),
        ([[[0, 0]]], None, r"^generators needs for manager 0 of simulator 0 at least one, each"),
        ([[[1]]], None, r"^generators must be numbered from 0 without gaps:\n  simulator 0: \[1\]"),
        ([[[0, 1]]], [[[3, 1]]], r"^splits must cut the 3 lanes of manager 0 of simulator 0 in 2"),
        ([[[0, 1]]], [[[3]]], r"^splits must cut the 3 lanes"),
        ([[[0, 1]]], [[[3]], [[3]]], r"^splits needs one list for each manager of lanes"),
        (None, [[[3]]], r"^splits needs the table generators"),
    ],
)
def test_tables_that_contradict_each_other_are_refused(
    generators: list[list[list[int]]] | None, splits: list[list[list[int]]] | None, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        Tables(lanes=[[3]], generators=generators, splits=splits)


@pytest.mark.parametrize("lanes", [[], [[]], [[0]], [[2, -1]]])
def test_empty_tables_are_refused(lanes: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"^lanes needs "):
        Tables(lanes=lanes)
