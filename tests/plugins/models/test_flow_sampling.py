from __future__ import annotations

import pytest

from rlvla.plugins.models.flow import kinds
from rlvla.plugins.models.flow.sampling import FlowSampling, Kind


@pytest.mark.parametrize("noise", [0.0, -0.5, float("nan")])
@pytest.mark.parametrize("kind", ["sde", "noise", "cps"])
def test_a_policy_that_cannot_explore_is_refused(kind: Kind, noise: float) -> None:
    with pytest.raises(ValueError, match=r"^noise must be above 0, got .* cannot explore"):
        FlowSampling(kind=kind, noise=noise)


def test_unfit_options_are_explained() -> None:
    with pytest.raises(ValueError, match=r"^steps must be at least 1 for sde, got 0"):
        FlowSampling(steps=0)
    with pytest.raises(ValueError, match=r"^steps must be at least 2 for cps, got 1"):
        FlowSampling(kind="cps", steps=1)
    with pytest.raises(ValueError, match=r"^noise is a share for cps, at most 1, got 1\.5"):
        FlowSampling(kind="cps", noise=1.5)
    for low, high in ((0.0, 0.1), (0.2, 0.2), (0.3, 0.2)):
        with pytest.raises(ValueError, match=f"^low must be above 0 .*, got {low} and {high}"):
            FlowSampling(kind="noise", low=low, high=high)


def test_times_fall_from_noise_to_data() -> None:
    assert kinds.times(FlowSampling(steps=4)).tolist() == [1, 0.75, 0.5, 0.25]
