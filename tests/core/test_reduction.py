from __future__ import annotations

import pytest
import torch

from rlvla.core.reduction import reduced

WEIGHTS = torch.tensor([1.0, 1.0, 4.0, 2.0])


def test_a_metric_is_the_mean_over_decisions() -> None:
    assert reduced("weight", WEIGHTS) == 2.0


def test_its_name_may_ask_for_the_largest() -> None:
    assert reduced("weight_max", WEIGHTS) == 4.0


def test_its_name_may_ask_for_the_effective_share() -> None:
    assert reduced("weight_ess", WEIGHTS) == pytest.approx(8.0**2 / 22.0 / 4)
    assert reduced("weight_ess", torch.ones(7)) == pytest.approx(1.0)
    assert reduced("weight_ess", torch.zeros(7)) == 0.0
