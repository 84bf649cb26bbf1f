"""Which weights each correction leaves, by numbers worked out by hand."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any, cast

import numpy as np
import pytest
import torch

from rlvla.core.registry import Components
from rlvla.plugins import corrections
from rlvla.plugins.corrections.gipo import GIPO
from rlvla.plugins.corrections.m2po import M2PO
from rlvla.plugins.corrections.mask import Mask
from rlvla.plugins.corrections.reject import Reject
from rlvla.plugins.corrections.truncate import Truncate

WEIGHTS = [[[0.4, 2.0], [3.0, 2.0]], [[1.0, 1.0], [6.0, 0.5]]]
"""Two decisions of two actions of two tokens."""


def _log_weights() -> torch.Tensor:
    return torch.tensor(WEIGHTS, dtype=torch.float64).log()


def _left(correction: Any, valid: torch.Tensor | None = None) -> object:  # noqa: ANN401 - any
    """Return the weights that a correction leaves, rounded."""
    bounded = correction.bounded(_log_weights(), valid).exp()
    return cast("object", np.round(bounded.numpy(), 6).tolist())


def test_weights_of_tokens_are_truncated() -> None:
    assert _left(Truncate(cap=2.5)) == [[[0.4, 2.0], [2.5, 2.0]], [[1.0, 1.0], [2.5, 0.5]]]


def test_weights_of_actions_are_products_of_those_of_tokens() -> None:
    assert _left(Truncate(cap=2.5, level="action")) == [[[0.8], [2.5]], [[1.0], [2.5]]]


def test_a_chunk_may_have_one_weight() -> None:
    assert _left(Truncate(cap=4.0, level="chunk")) == [[[4.0]], [[3.0]]]


def test_what_is_outside_the_bounds_is_masked() -> None:
    left = _left(Mask(low=0.5, high=2.5))
    assert left == [[[0.0, 2.0], [0.0, 2.0]], [[1.0, 1.0], [0.0, 0.5]]]


def test_what_is_masked_as_one_keeps_its_own_weights() -> None:
    left = _left(Mask(low=0.5, high=3.0, level="action"))
    assert left == [[[0.4, 2.0], [0.0, 0.0]], [[1.0, 1.0], [6.0, 0.5]]]


def test_there_need_be_no_lower_bound() -> None:
    left = _left(Mask(low=0.0, high=2.5))
    assert left == [[[0.4, 2.0], [0.0, 2.0]], [[1.0, 1.0], [0.0, 0.5]]]


def test_decisions_are_rejected_by_their_geometric_mean() -> None:
    first, second = 4.8 ** (1 / 4), 3.0 ** (1 / 4)
    assert second < 1.4 < first
    assert _left(Reject(high=1.4)) == [[[0.0, 0.0], [0.0, 0.0]], WEIGHTS[1]]


def test_decisions_are_rejected_by_their_divergence() -> None:
    k3 = [np.mean([w - 1 - math.log(w) for w in np.ravel(one)]) for one in WEIGHTS]
    assert k3[0] < 0.6 < k3[1]
    assert _left(Reject(high=9.0, k3=0.6)) == [WEIGHTS[0], [[0.0, 0.0], [0.0, 0.0]]]


def test_only_what_was_executed_is_judged() -> None:
    valid = torch.tensor([[True, False], [True, False]])
    means = 0.8**0.5, 1.0
    assert 0.85 < means[0] < 0.9
    assert _left(Reject(low=0.85, high=1.01), valid) == WEIGHTS
    assert _left(Reject(low=0.9, high=1.01), valid) == [[[0.0, 0.0], [0.0, 0.0]], WEIGHTS[1]]


def test_the_second_moment_stays_within_its_budget() -> None:
    squares = [np.sort(np.square(np.log(np.ravel(one)))) for one in WEIGHTS]
    kept = [int((np.cumsum(one) / np.arange(1, 5) <= 0.7).sum()) for one in squares]
    assert kept == [3, 3]
    left = _left(M2PO(budget=0.7))
    assert left == [[[0.4, 2.0], [0.0, 2.0]], [[1.0, 1.0], [0.0, 0.5]]]


def test_the_budget_is_spent_on_what_was_executed() -> None:
    valid = torch.tensor([[True, False], [False, True]])
    left = _left(M2PO(budget=0.5), valid)
    assert left == [[[0.0, 2.0], [3.0, 2.0]], [[1.0, 1.0], [0.0, 0.5]]]


def test_weights_of_1_are_left_alone_by_all() -> None:
    same = torch.zeros(3, 2, 2)
    for correction in (Truncate(), Mask(), Reject(k3=0.0), M2PO(), GIPO()):
        assert torch.equal(correction.bounded(same, None), same)


@pytest.mark.parametrize(
    ("correction", "options", "message"),
    [
        (Truncate, {"cap": 0.0}, "cap must be above 0, got 0.0"),
        (Mask, {"low": 2.0}, "low must be between 0 and 1, got 2.0"),
        (Mask, {"high": 0.5}, "high must be at least 1, got 0.5"),
        (Reject, {"low": 0.0}, "low must be above 0 and at most 1, got 0.0"),
        (Reject, {"high": float("nan")}, "high must be at least 1, got nan"),
        (Reject, {"k3": -1.0}, "k3 must be at least 0, got -1.0"),
        (M2PO, {"budget": 0.0}, "budget must be above 0, got 0.0"),
        (GIPO, {"sigma": 0.0}, "sigma must be above 0, got 0.0"),
    ],
)
def test_options_out_of_range_are_explained(
    correction: Any,  # noqa: ANN401 - a class
    options: dict[str, float],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        correction(**options)


def test_corrections_are_registered_and_load_no_torch() -> None:
    components = Components()
    corrections.register(components)
    names = [*components.corrections]
    assert names == ["gipo", "m2po", "mask", "reject", "truncate"]
    modules = ", ".join(f"rlvla.plugins.corrections.{name}" for name in names)
    program = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
