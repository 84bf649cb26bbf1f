from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch
from toys.line import Line
from toys.plugin import toy_plugins
from toys.tiny import Tiny

from rlvla.core.testing import ConformanceError, check_correction, check_proximal
from rlvla.plugins.corrections.mask import Mask
from rlvla.plugins.proximals.interpolate import Between

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from rlvla.core.interfaces import Model, Policy
    from rlvla.core.types import Array, Arrays, Training

SPEC = Line().spec
TINY = cast("Model", Tiny())
COMPONENTS = toy_plugins().components


@pytest.mark.parametrize("name", [*COMPONENTS.proximals])
def test_proximal_policies_that_come_along_keep_the_rules(name: str) -> None:
    check_proximal(COMPONENTS.proximals[name](), TINY, SPEC)


@pytest.mark.parametrize("name", [*COMPONENTS.corrections])
def test_corrections_that_come_along_keep_the_rules(name: str) -> None:
    check_correction(COMPONENTS.corrections[name]())


@dataclass(frozen=True)
class Faulty:
    """A proximal policy that breaks one rule."""

    fault: str

    sees_within = None

    @property
    def needs(self) -> Sequence[str]:
        return ()

    @property
    def decoupled(self) -> bool:
        return self.fault != "none"

    def follow(self, training: Training, name: str) -> FaultyFollower:
        del name
        return FaultyFollower(self.fault, training.policy)


class FaultyFollower(Between):
    """What follows, except for one broken rule."""

    def __init__(self, fault: str, policy: Policy) -> None:
        self._fault = fault
        self._policy = policy
        self._began = 0

    def begin(self, version: int) -> None:
        self._began = version

    def arrive(self, rows: Arrays) -> dict[str, Array]:
        fields = {"name": {"log": rows["log_prob"]}, "short": {"checked/log": rows["log_prob"][1:]}}
        return {**fields.get(self._fault, {})}

    def log_prob(self, batch: Arrays, current: Tensor, version: int) -> Tensor:
        if self._fault == "weights":
            with torch.no_grad():
                next(iter(self._policy.module.parameters())).mul_(2.0)
        right = super().log_prob(batch, current, version)
        wrong = {
            "off": right + 0.1,
            "shape": right[:, 0],
            "gradient": right.clone().requires_grad_(),
            "state": right + self._began,
        }
        return wrong.get(self._fault, right)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("none", "follow must return None if, and only if, decoupled is false"),
        ("name", "field 'log' must begin with the name that the policy has, 'checked/'"),
        ("short", "field 'checked/log' must have one entry a decision, 6, it has 5"),
        ("shape", r"log_prob must be \[6, 1, 1\], it is \[6, 1\]"),
        ("gradient", "log_prob must have no gradient"),
        ("off", "at the first update the log-probabilities must be those of the record"),
        ("weights", "a follower must leave the weights as they are"),
        ("state", "what restores a state must go on with the same log-probabilities"),
    ],
)
def test_a_proximal_policy_that_breaks_a_rule_is_told_which(fault: str, rule: str) -> None:
    with pytest.raises(ConformanceError, match=f"^{rule}"):
        check_proximal(Faulty(fault), TINY, SPEC)


@dataclass(frozen=True)
class FaultyMask(Mask):
    """A correction that breaks one rule."""

    fault: str = ""

    def bounded(self, log_weight: Tensor, valid: Tensor | None) -> Tensor:
        right = super().bounded(log_weight, valid)
        wrong: Mapping[str, Any] = {
            "shape": right[:, :2],
            "nan": right * torch.nan,
            "batch": right - right.isfinite().double().mean(),
            "one": right - 1,
        }
        return cast("Tensor", wrong[self.fault])


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("shape", r"bounded must return log-weights that broadcast: \[6, 2, 2\] does not fit"),
        ("nan", "bounded must return no NaN and no weight without bound"),
        ("batch", "the weights of a decision must not depend on the micro-batch that it is in"),
        ("one", "weights of 1 must be left as they are"),
    ],
)
def test_a_correction_that_breaks_a_rule_is_told_which(fault: str, rule: str) -> None:
    with pytest.raises(ConformanceError, match=f"^{rule}"):
        check_correction(FaultyMask(fault=fault))
