from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rlvla.core.errors import ManifestError
from rlvla.core.planning.size import Size, doubling, gpus_of, grown, last_phase, sizes, synchronous

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlvla.core.settings import Manifest


@pytest.mark.parametrize(
    ("placement", "gpus"),
    [
        ("{generator: {turns: gpu}, trainer: {turns: gpu}}", 1),
        ("{generator: {gpus: [0, 1]}, trainer: {gpus: [0, 1, 2]}}", 3),
        ("{simulator: {gpus: [7]}, generator: {gpus: [0]}, trainer: {turns: other}}", 3),
        ("{}", 3),
    ],
)
def test_the_gpus_of_a_cell_are_counted_once_each(
    manifest: Callable[..., Manifest], placement: str, gpus: int
) -> None:
    """Placed nowhere, two generators and a trainer have one each."""
    two = "schedulers.sharding={type: even, shards: 4, generators: 2}"
    assert gpus_of(manifest(two, f"placement={placement}")) == gpus


def test_sizes_are_whole_cells(manifest: Callable[..., Manifest]) -> None:
    pair = manifest("placement={generator: {gpus: [0]}, trainer: {gpus: [1]}}")
    assert sizes(pair, [2, 8]) == [Size(1, 2), Size(4, 8)]
    with pytest.raises(ManifestError, match=r"^--gpus: 3 are not whole cells: .* multiples of 2$"):
        sizes(pair, [3])
    assert [*doubling(pair, 9)] == [2, 4, 8]
    assert [*doubling(pair, 1)] == [2]


def test_batches_grow_with_the_cells(manifest: Callable[..., Manifest]) -> None:
    assert grown(manifest(), 3).phases[0].algorithm.batch_size == 96


def test_demonstrations_are_not_planned(manifest: Callable[..., Manifest]) -> None:
    taught = manifest("simulator={type: tabletop, task: reach}", "algorithm={type: sft}")
    with pytest.raises(ManifestError, match="'sft', learns from demonstrations"):
        last_phase(taught)


def test_the_baseline_waits_for_everything(manifest: Callable[..., Manifest]) -> None:
    levels = synchronous(manifest()).asynchrony
    assert (levels.rollout, levels.stream, levels.max_staleness) == (False, False, 0)
