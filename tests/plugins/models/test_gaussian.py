from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from rlvla.core.testing.model import check_model
from rlvla.core.testing.rows import decide, observations
from rlvla.plugins.models.cnn import CNN
from rlvla.plugins.models.mlp import MLP
from rlvla.plugins.models.noise import normal

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.types import SimulatorSpec


@pytest.mark.parametrize("model", [MLP(), MLP(hidden=[8], log_std=-1.0), CNN()])
def test_the_small_policies_keep_the_contract(model: MLP | CNN, spec: SimulatorSpec) -> None:
    check_model(model, spec)


def test_noise_is_standard_normal_and_independent_across_seeds_and_dimensions() -> None:
    noise = normal(np.arange(100_000, dtype=np.uint64), 3)
    assert noise.shape == (100_000, 3)
    assert np.abs(noise.mean(0)).max() < 0.015
    assert np.abs(noise.std(0) - 1).max() < 0.015
    assert np.abs(np.corrcoef(noise.T) - np.eye(3)).max() < 0.015
    assert np.abs(np.corrcoef(noise[:-1].T, noise[1:].T)[:3, 3:]).max() < 0.015
    share = (np.abs(noise) < 1).mean()
    assert share == pytest.approx(0.6827, abs=0.005)


def test_scores_are_those_of_the_normal_distribution_before_the_cut(spec: SimulatorSpec) -> None:
    policy = MLP(log_std=0.5).build(spec, seed=0)
    seen = observations(spec, rows=64)
    made = decide(policy, seen, temperature=0.7)
    means = decide(policy, seen, temperature=0.0)["sample"]
    normal_at_07 = Normal(torch.tensor(means), 0.7 * np.exp(0.5))
    expected = normal_at_07.log_prob(torch.tensor(made["sample"])).numpy()
    assert np.allclose(made["log_prob"], expected, atol=1e-5)
    assert np.allclose(made["action"], made["sample"].clip(spec.action_low, spec.action_high))
    assert (made["action"] != made["sample"]).any()
    entropy = policy.evaluate({**seen, **made}).entropy.detach().numpy()
    assert np.allclose(entropy, normal_at_07.entropy().numpy(), atol=1e-6)


def test_a_checkpoint_is_what_a_policy_begins_with(spec: SimulatorSpec, tmp_path: Path) -> None:
    MLP().build(spec, seed=3).save(str(tmp_path))
    again = MLP(checkpoint=str(tmp_path)).build(spec, seed=4)
    other = MLP().build(spec, seed=3)
    for name, tensor in other.module.state_dict().items():
        assert torch.equal(again.module.state_dict()[name], tensor)


def test_what_a_model_cannot_see_is_explained(spec: SimulatorSpec) -> None:
    with pytest.raises(ValueError, match="mlp sees only proprio"):
        MLP().decision_fields(replace(spec, proprio=0))
    with pytest.raises(ValueError, match="cnn needs cameras of one size, at least 20x20"):
        CNN().decision_fields(replace(spec, cameras={}))
    with pytest.raises(ValueError, match=r"hidden must be widths of at least 1, got \[0\]"):
        MLP(hidden=[0])
    with pytest.raises(ValueError, match="width must be at least 1, got 0"):
        CNN(width=0)
