from __future__ import annotations

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
