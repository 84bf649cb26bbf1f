"""The trainer, with batches that are counted in episodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from toys.bench import Bench
from toys.state import saved_state

from rlvla.plugins.algorithms.grpo import GRPO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rlvla.core.segment import Segment

    Groups = list[list[Segment]]

SIZE, GROUPS = 3, 4


def algorithm(options: Mapping[str, Any]) -> GRPO:
    return GRPO(group_size=SIZE, batch_size=SIZE * GROUPS, lr=0.1, **options)


def as_they_come(groups: Groups) -> list[list[Segment]]:
    return groups


def backwards(groups: Groups) -> list[list[Segment]]:
    return groups[::-1]


def at_once(groups: Groups) -> list[list[Segment]]:
    return [[one for group in groups for one in group]]


@pytest.mark.parametrize("aggregation", ["trajectory", "token"])
@pytest.mark.parametrize(
    ("micro_batch_size", "arrival"),
    [(3, as_they_come), (7, backwards), (1000, at_once), (5, at_once)],
)
def test_the_gradient_depends_neither_on_micro_batches_nor_on_the_order_of_arrival(
    tmp_path: Path,
    aggregation: str,
    micro_batch_size: int,
    arrival: Callable[[Groups], list[list[Segment]]],
) -> None:
    first = Bench(algorithm({"aggregation": aggregation, "micro_batch_size": 4}))
    groups = first.groups(GROUPS, size=SIZE)
    options = {"aggregation": aggregation, "micro_batch_size": micro_batch_size}
    second = Bench(algorithm(options), rows_of=first)
    for segments in groups:
        first.trainer.accumulate(segments)
    for segments in arrival(groups):
        second.trainer.accumulate(segments)
    states: list[dict[str, Any]] = []
    for number, bench in enumerate((first, second)):
        bench.trainer.step()
        folder = tmp_path / str(number)
        folder.mkdir()
        bench.trainer.save(str(folder))
        states.append(gradients_of(folder))
    assert max(np.abs(one).max() for one in states[0].values()) > 1e-4
    for name, one in states[0].items():
        np.testing.assert_allclose(states[1][name], one, atol=1e-7, rtol=1e-6, err_msg=name)


def gradients_of(folder: Path) -> dict[str, Any]:
    """Return what the optimizer remembers after its first step: a tenth of the gradient."""
    state = {name: one for name, one in saved_state(folder).items() if name.endswith("exp_avg")}
    assert state
    return state


@pytest.mark.parametrize("options", [{}, {"aggregation": "token"}])
def test_every_pass_takes_a_step_for_each_minibatch(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    bench = Bench(algorithm({"epochs": 2, "minibatches": 4, "micro_batch_size": 2, **options}))
    for segments in bench.groups(GROUPS, size=SIZE):
        bench.trainer.accumulate(segments)
    metrics = bench.trainer.step()
    bench.trainer.save(str(tmp_path))
    steps = {int(one) for name, one in saved_state(tmp_path).items() if name.endswith("/step")}
    assert steps == {2 * 4}
    assert metrics["grad_norm"] > 0
