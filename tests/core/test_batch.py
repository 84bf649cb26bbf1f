from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvla.core.batch import Batch


def _batch(*sizes: int) -> Batch:
    batch = Batch()
    first = 0
    for size in sizes:
        index = np.arange(first, first + size)
        batch.add({"index": index, "pair": np.stack([index, -index], axis=1)})
        first += size
    return batch


@given(
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=6),
    size=st.integers(1, 10),
    start=st.integers(0, 20),
)
def test_micro_batches_hold_each_row_once_and_in_order(
    sizes: list[int], size: int, start: int
) -> None:
    batch = _batch(*sizes)
    cut = list(batch.cut(size, start=start))
    assert [n for one in cut for n in one["index"]] == list(range(start, len(batch)))
    assert all(len(one["index"]) == size for one in cut[:-1])
    assert all((one["pair"][:, 0] == one["index"]).all() for one in cut)


def _episodes(*lengths: int) -> Batch:
    """Return a batch of episodes with these lengths, as they came."""
    batch = Batch()
    for number, length in enumerate(lengths):
        batch.add({"segment": np.full(length, 40 + number), "index": np.arange(length)})
    return batch


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=8), count=st.integers(1, 3))
def test_parts_are_so_many_rows_or_so_many_episodes(lengths: list[int], count: int) -> None:
    batch = _episodes(*lengths)
    assert batch.ends(count, segments=False) == [*range(count, len(batch) + 1, count)]
    ends = batch.ends(count, segments=True)
    assert ends == [sum(lengths[:n]) for n in range(count, len(lengths) + 1, count)]


@given(
    lengths=st.lists(st.integers(1, 6), min_size=2, max_size=8),
    size=st.integers(1, 9),
    count=st.integers(1, 3),
)
def test_no_micro_batch_lies_in_two_parts(lengths: list[int], size: int, count: int) -> None:
    batch = _episodes(*lengths)
    ends = batch.ends(count, segments=True)
    cut = list(batch.cut(size, ends))
    assert sum(len(one["index"]) for one in cut) == len(batch)
    for one in cut:
        assert len({(number - 40) // count for number in one["segment"].tolist()}) == 1
        assert len(one["index"]) <= size
    ready = list(batch.cut(size, ends, whole=False))
    left = len(batch) - sum(len(one["index"]) for one in ready)
    assert left == (len(batch) - ([0, *ends])[-1]) % size, "only full ones of the last part"


def test_episodes_change_places_as_a_whole() -> None:
    batch = _episodes(3, 1, 2, 4)
    shuffled = batch.shuffled(np.random.default_rng(3), segments=True)
    order = shuffled.rows()["segment"].tolist()
    assert order != batch.rows()["segment"].tolist()
    assert sorted(order) == batch.rows()["segment"].tolist()
    assert [len([*run]) for _, run in groupby(order)] == [
        [3, 1, 2, 4][n - 40] for n in dict.fromkeys(order)
    ]
    for number in range(40, 44):
        index = shuffled.rows()["index"][shuffled.rows()["segment"] == number]
        assert index.tolist() == [*range(len(index))], "in time order"
    alone = batch.shuffled(np.random.default_rng(3), segments=False)
    assert alone.rows()["segment"].tolist() != sorted(order)


def test_a_batch_can_be_read_while_it_grows() -> None:
    batch = _batch(2, 3)
    assert len(batch) == 5
    assert batch.rows()["index"].tolist() == [0, 1, 2, 3, 4]
    batch.add({"index": np.array([9]), "pair": np.array([[9, -9]])})
    assert batch.rows()["pair"][:, 1].tolist() == [0, -1, -2, -3, -4, -9]
    assert len(batch) == 6


def test_chosen_rows_are_a_batch_of_their_own() -> None:
    batch = _batch(4)
    chosen = batch.select(np.array([3, 1, 3]))
    chosen.add({"index": np.array([7]), "pair": np.array([[7, 7]])})
    assert chosen.rows()["index"].tolist() == [3, 1, 3, 7]
    assert len(chosen) == len(batch) == 4


def test_rows_with_other_fields_are_not_mixed_in() -> None:
    batch = _batch(2)
    batch.add({"index": np.array([9])})
    with pytest.raises(KeyError, match="pair"):
        batch.rows()
