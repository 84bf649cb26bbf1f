"""At the first update, with no staleness, every method is plain policy gradient."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from toys.plugin import toy_plugins

from rlvla.core.followers import follow
from rlvla.core.testing.rows import decide, observations, results
from rlvla.core.types import Moment, SimulatorSpec

if TYPE_CHECKING:
    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Array

SPEC = SimulatorSpec(
    cameras={"top": (32, 32)},
    proprio=3,
    privileged=5,
    action_low=(-1.0, -0.5, 0.0),
    action_high=(1.0, 0.5, 1.0),
    max_steps=10,
    control_hz=5.0,
)
LINE = replace(SPEC, cameras={}, action_low=(0.0,), action_high=(4.0,))
ROWS = 6
PLUGINS = toy_plugins().components
LEARNERS = [name for name in PLUGINS.algorithms if PLUGINS.algorithms[name]().demonstrations == 0]


@cache
def _decided(model: str) -> tuple[Policy, dict[str, Array]]:
    """Return a small policy of a model, fresh from its seed, and decisions that it made."""
    spec = LINE if model == "tiny" else SPEC
    policy = PLUGINS.models[model]().build(spec, seed=0)
    seen = observations(spec, rows=ROWS)
    decided = decide(policy, seen)
    rows = {**seen, **decided, **results(decided)}
    return policy, {
        **rows,
        "version": np.zeros(ROWS, np.int64),
        "segment": np.zeros(ROWS, np.int64),
    }


@pytest.mark.parametrize("proximal", [*PLUGINS.proximals])
@pytest.mark.parametrize("model", [*PLUGINS.models])
@pytest.mark.parametrize("algorithm", LEARNERS)
def test_the_ratio_is_1_and_nothing_is_clipped(algorithm: str, model: str, proximal: str) -> None:
    policy, rows = _decided(model)
    make: Any = PLUGINS.algorithms[algorithm]
    learner = make(proximal=PLUGINS.proximals[proximal](), epochs=2)
    followers = follow(policy, learner, max_staleness=0)
    followers.begin(0)
    targets = learner.targets(rows, np.zeros(rows["value"].shape, np.float32))
    rows = {**rows, **targets, **followers.arrive(rows)}
    moments = dict.fromkeys(learner.normalised, (0.0, 1.0))
    batch = {**rows, **learner.complete(rows)}
    _, metrics = learner.loss(policy, batch, Moment(0, 0, moments, followers.scores))
    np.testing.assert_allclose(metrics["ratio"].numpy(), 1.0, atol=1e-5)
    assert not metrics["clip_fraction"].any()
    np.testing.assert_allclose(metrics["approx_kl"].numpy(), 0.0, atol=1e-8)
    if "weight" in metrics:
        np.testing.assert_allclose(metrics["weight"].numpy(), 1.0, atol=1e-5)
