from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from rlvla.core.component import OptionError, build
from rlvla.core.runtime.virtual.faults import Faults


def test_faults_are_as_frequent_as_asked_for() -> None:
    faults, dice = Faults(crash=0.1, hang=0.2, late=0.3), random.Random(1)
    draws = Counter(faults.draw(dice, "shard", 0.0) for _ in range(20_000))
    shares = [draws[name] / 20_000 for name in ("crash", "hang", "late", "")]
    np.testing.assert_allclose(shares, [0.1, 0.2, 0.3, 0.4], atol=0.015)  # 4 sigma


def test_faults_stop_when_they_are_told_to() -> None:
    faults = Faults(crash=1.0, until_s=10.0)
    assert faults.draw(random.Random(0), "shard", 9.9) == "crash"
    assert faults.draw(random.Random(0), "shard", 10.0) == ""
    assert not faults.none
    assert Faults(laggards=(0,)).none


@pytest.mark.parametrize(
    ("role", "fate", "found"),
    [
        ("shard", "error", "error"),
        ("generator", "error", ""),
        ("trainer", "hang", ""),
        ("trainer", "late", "late"),
        ("generator", "hang", "hang"),
    ],
)
def test_some_faults_spare_some_workers(role: str, fate: str, found: str) -> None:
    faults = build(Faults, {fate: 1.0})
    assert faults.draw(random.Random(0), role, 0.0) == found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crash": 1.5}, "crash must be between 0 and 1, got 1.5"),
        ({"crash": 0.75, "late": 0.5}, "crash and the other probabilities must not exceed 1, got"),
        ({"lag": -1.0}, "lag must be at least 0, got -1.0"),
    ],
)
def test_impossible_faults_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=f"^{message}"):
        build(Faults, options)
