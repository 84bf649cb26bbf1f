from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from toys.line import Line
from toys.tape import Tape

from rlvla.core.testing import ConformanceError, check_recording

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlvla.core.recorded import RecordedEpisode
    from rlvla.core.types import SimulatorSpec

READINGS: list[int] = []


@dataclass(frozen=True, kw_only=True)
class Faulty(Tape):
    """A recording that breaks one rule."""

    fault: str

    def episodes(self, spec: SimulatorSpec) -> Iterator[RecordedEpisode]:
        READINGS.append(1)
        for one in super().episodes(spec):
            match self.fault:
                case "none":
                    return
                case "fewer" if len(READINGS) % 2 == 0:
                    return
                case "kind":
                    yield replace(one, actions=one.actions.astype(np.float64))
                case "camera":
                    yield replace(
                        one, images={"top": np.zeros((len(one.actions), 8, 8, 3), np.uint8)}
                    )
                case "empty":
                    yield replace(one, actions=one.actions[:0])
                case _:
                    yield replace(one, proprio=one.proprio + len(READINGS))


def test_a_recording_that_keeps_the_rules_passes() -> None:
    check_recording(Tape(seed=1), Line().spec)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("none", "a recording must have an episode"),
        ("kind", r"'actions' of an episode must be float32 .*, it is float64"),
        ("camera", "an episode must hold actions, proprio, it holds actions, image/top, proprio"),
        ("empty", "an episode must have an action"),
        ("fewer", "there must be as many episodes each time"),
        ("order", "episodes must come in the same order each time"),
    ],
)
def test_a_broken_rule_is_named(fault: str, rule: str) -> None:
    with pytest.raises(ConformanceError, match=rule):
        check_recording(Faulty(seed=1, fault=fault), Line().spec)


def test_a_recording_that_does_not_fit_says_so() -> None:
    with pytest.raises(ValueError, match="cameras of the tape: 1"):
        check_recording(Tape(seed=1, cameras=1), Line().spec)
