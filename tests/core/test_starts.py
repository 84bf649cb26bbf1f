from __future__ import annotations

from itertools import product

from rlvla.core.starts import Starts, noise_seed, start_of
from rlvla.core.types import Start

TASKS = ("reach", "push", "lift")


def test_starts_take_the_tasks_in_turn() -> None:
    starts = Starts(TASKS, seed=5)
    assert [starts.next() for _ in range(4)] == [
        (0, Start("reach", "train", 0, 5)),
        (1, Start("push", "train", 0, 5)),
        (2, Start("lift", "train", 0, 5)),
        (3, Start("reach", "train", 1, 5)),
    ]
    assert starts.ordinal == 4


def test_starts_go_on_from_any_ordinal() -> None:
    starts = Starts(TASKS, seed=5)
    whole = [starts.next() for _ in range(20)]
    later = Starts(TASKS, seed=5, ordinal=7)
    assert [later.next() for _ in range(13)] == whole[7:]
    assert len({start for _, start in whole}) == 20


def test_evaluation_starts_do_not_depend_on_the_run() -> None:
    assert start_of(TASKS, "eval", 4) == Start("push", "eval", 1, 0)


def test_each_decision_of_each_episode_of_each_run_has_its_own_noise() -> None:
    grid = list(product((0, 1, 2, 2**63), range(60), range(60)))
    seeds = [noise_seed(*one) for one in grid]
    assert len(set(seeds)) == len(grid)
    assert all(0 <= seed < 1 << 64 for seed in seeds)
    assert seeds == [noise_seed(*one) for one in grid]


def test_the_noise_of_neighbours_differs_in_half_of_the_bits() -> None:
    bits = [
        (noise_seed(0, episode, 0) ^ noise_seed(0, episode + 1, 0)).bit_count()
        for episode in range(1000)
    ]
    assert 24 < sum(bits) / len(bits) < 40


def test_the_noise_is_the_same_in_every_version_of_the_package() -> None:
    """A run that is resumed goes on with the noise that it began with."""
    assert noise_seed(1, 2, 3) == 0x4B50083CB3E35BC3
    assert noise_seed(1 << 40, 5, 7) == 0x4BAE774D8FB793E9


def test_starts_with_a_stride_share_the_stream() -> None:
    whole = Starts(TASKS, seed=5)
    shared = [Starts(TASKS, seed=5, ordinal=place, stride=4) for place in range(4)]
    assert [one.next() for _ in range(5) for one in shared] == [whole.next() for _ in range(20)]
