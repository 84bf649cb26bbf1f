from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch.distributions import Categorical

from rlvla.core.testing.model import check_model
from rlvla.core.testing.rows import decide, observations
from rlvla.plugins.models.categorical import CategoricalPolicy
from rlvla.plugins.models.cnn import CNN
from rlvla.plugins.models.mlp import MLP

if TYPE_CHECKING:
    from rlvla.core.types import Array, SimulatorSpec

COUNTS = (3, 2, 5)


@pytest.fixture(name="dials")
def dials_spec(spec: SimulatorSpec) -> SimulatorSpec:
    """Three dimensions of 3, 2 and 5 choices, the first from 1 on."""
    return replace(spec, action_low=(1.0, 0.0, -2.0), action_high=(3.0, 1.0, 2.0), discrete=True)


def _policy(dials: SimulatorSpec) -> CategoricalPolicy:
    """Return a policy with preferences, which a fresh one has hardly any of."""
    policy = MLP(hidden=[8]).build(dials, seed=0)
    assert isinstance(policy, CategoricalPolicy)
    for parameter in policy.module.actor.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(1))
    return policy


def _logits(policy: CategoricalPolicy, seen: dict[str, Array], dimension: int) -> torch.Tensor:
    said = policy.module(seen)[0].detach().reshape(-1, 3, 5)
    return said[:, dimension, : COUNTS[dimension]]


def test_choices_keep_the_contract(dials: SimulatorSpec) -> None:
    check_model(MLP(), dials)


def test_scores_are_those_of_a_softmax_at_the_temperature(dials: SimulatorSpec) -> None:
    policy = _policy(dials)
    seen = dict(observations(dials, rows=64))
    made = decide(policy, seen, temperature=0.7)
    scores = policy.evaluate({**seen, **made})
    for dimension, low in enumerate((1, 0, -2)):
        softmax = Categorical(logits=_logits(policy, seen, dimension) / 0.7)
        chosen = torch.as_tensor(made["action"][:, 0, dimension]) - low
        assert np.unique(chosen).tolist() == [*range(COUNTS[dimension])]
        expected = _logits(policy, seen, dimension).div(0.7).log_softmax(-1)
        expected = expected.gather(1, chosen.long()[:, None])[:, 0]
        torch.testing.assert_close(torch.as_tensor(made["log_prob"][:, 0, dimension]), expected)
        torch.testing.assert_close(scores.entropy[:, 0, dimension].detach(), softmax.entropy())


def test_choices_are_as_frequent_as_they_are_likely(dials: SimulatorSpec) -> None:
    policy, rows = _policy(dials), 40_000
    one = observations(dials, rows=1)
    seen = {name: np.repeat(array, rows, axis=0) for name, array in one.items()}
    made = decide(policy, seen, temperature=1.5)
    for dimension, low in enumerate((1, 0, -2)):
        likely = (_logits(policy, dict(one), dimension)[0] / 1.5).softmax(-1).numpy()
        chosen = (made["action"][:, 0, dimension] - low).astype(np.int64)
        counts = np.bincount(chosen, minlength=COUNTS[dimension])
        assert np.abs(counts / rows - likely).max() < 0.01


def test_greedy_decisions_are_the_likeliest(dials: SimulatorSpec) -> None:
    policy = _policy(dials)
    seen = dict(observations(dials, rows=64))
    action = decide(policy, seen, temperature=0.0)["action"]
    for dimension, low in enumerate((1, 0, -2)):
        likeliest = _logits(policy, seen, dimension).argmax(-1) + low
        np.testing.assert_array_equal(action[:, 0, dimension], likeliest.numpy())


def test_imitation_is_cross_entropy(dials: SimulatorSpec) -> None:
    policy = _policy(dials)
    seen = dict(observations(dials, rows=8))
    action = np.tile(np.array([2.0, 1.0, 2.0], np.float32), (8, 1, 1))
    parts = [
        torch.nn.functional.cross_entropy(
            _logits(policy, seen, dimension), torch.full((8,), chosen), reduction="none"
        )
        for dimension, chosen in enumerate((1, 1, 4))
    ]
    expected = torch.stack(parts).mean(0)
    torch.testing.assert_close(policy.imitate({**seen, "action": action}).detach(), expected)


def test_a_gaussian_of_choices_is_refused(dials: SimulatorSpec) -> None:
    with pytest.raises(ValueError, match="a Gaussian cannot choose among discrete actions"):
        CNN().decision_fields(dials)
