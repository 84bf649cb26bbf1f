from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rlvla.core.planning.finding import counted, sized
from rlvla.core.planning.fit import findings

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlvla.core.settings import Manifest


def test_a_manifest_that_fits_has_nothing_to_check(manifest: Callable[..., Manifest]) -> None:
    found = [*findings(manifest(), 8)]
    assert [one.text for one in found if not one.fits] == []
    assert [one.text for one in found[1:]] == [
        "an optimizer step sees 256 decisions: 8 micro-batches of 4 for each of 8 trainers",
        "a batch of 32 is 2 segments of 4 from each of 4 lanes",
        "max_staleness 1 admits 16 segments at once, for 4 lanes",
        "4 simulator workers of 1 lane each",
        "1 generator of 4 lanes each",
    ]


GRPO = "algorithm={type: grpo, group_size: 4, batch_size: 16, micro_batch_size: 4, minibatches: 2}"


def test_batches_of_groups_are_counted_in_episodes(manifest: Callable[..., Manifest]) -> None:
    """3 rows for each of 4 + 1 lanes, and 4 decisions of (eta + 1) batches of 16 episodes."""
    found = [*findings(manifest(GRPO), 2)]
    assert [one.text for one in found if not one.fits] == []
    assert found[0].text.startswith(f"shared memory of a cell: {3 * 5 + 4 * 2 * 32} rows of ")
    assert [one.text for one in found[1:4]] == [
        "an optimizer step sees 16 episodes, in micro-batches of 4 decisions",
        "a batch of 16 is 4 episodes from each of 4 lanes",
        "max_staleness 1 admits 32 episodes at once, for 4 lanes",
    ]


def test_memory_grows_with_what_may_be_admitted(manifest: Callable[..., Manifest]) -> None:
    """3 rows for each of 4 + 1 lanes, 2 (eta + 1) batches of 32 and of 8 x 32."""
    for cells, rows in ((1, 3 * 5 + 4 * 32), (8, 3 * 5 + 4 * 256)):
        assert next(findings(manifest(), cells)).text.startswith(
            f"shared memory of a cell: {rows} rows of "
        )


def test_more_than_the_machine_has_is_pointed_out(manifest: Callable[..., Manifest]) -> None:
    images = ("simulator.cameras=1", "simulator.size=1000")
    assert next(findings(manifest(*images), 1)).fits
    assert not next(findings(manifest(*images), 10_000)).fits


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (
            ["placement.trainer={gpus: [0, 1, 2]}"],
            "an optimizer step sees 32 decisions: 2.667 micro-batches of 4 for each of 3 trainers, "
            "not whole ones",
        ),
        (
            ["simulator.lanes=3", "schedulers.sharding.shards=3"],
            "a batch of 32 is 2.667 segments of 4 from each of 3 lanes: in a synchronous schedule "
            "some stand still",
        ),
        (
            ["simulator.lanes=20", "schedulers.sharding.shards=4"],
            "max_staleness 1 admits 16 segments at once: 4 of 20 lanes always stand still",
        ),
        (["schedulers.sharding.shards=3"], "3 simulator workers of 1 to 2 lanes each"),
    ],
)
def test_what_does_not_divide_is_pointed_out(
    manifest: Callable[..., Manifest], overrides: list[str], text: str
) -> None:
    found = [*findings(manifest(*overrides), 1)]
    assert text in [one.text for one in found if not one.fits]


def test_numbers_have_nouns_and_units() -> None:
    assert (counted(1, "lane"), counted(2, "lane")) == ("1 lane", "2 lanes")
    assert [sized(10.0**power) for power in (2, 4, 13)] == ["100 B", "10 kB", "10 TB"]
