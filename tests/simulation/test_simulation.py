from __future__ import annotations

from typing import TYPE_CHECKING

from simulation.trial import told, trial

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_no_invariant_is_violated_whatever_goes_wrong(seeds: Sequence[int]) -> None:
    failures = [told(seed, violation) for seed in seeds if (violation := trial(seed))]
    assert not failures, "\n".join(failures)
