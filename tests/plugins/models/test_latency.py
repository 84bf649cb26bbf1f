from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from rlvla.core.latency import Curve
from rlvla.core.registry import Components
from rlvla.core.testing.model import check_model
from rlvla.core.testing.rows import decide, observations
from rlvla.plugins import models
from rlvla.plugins.models.latency import LatencyModel
from rlvla.plugins.simulators.latency import LatencySimulator

if TYPE_CHECKING:
    from pathlib import Path

SPEC = LatencySimulator(proprio=8, action_dim=3).spec


def test_it_is_registered() -> None:
    components = Components()
    models.register(components)
    assert components.models["latency"] is LatencyModel


@pytest.mark.parametrize("proprio", [1, 8])
def test_it_conforms(proprio: int) -> None:
    check_model(LatencyModel(chunk=3), LatencySimulator(proprio=proprio, action_dim=2).spec)


def test_a_decision_and_a_micro_batch_take_their_time() -> None:
    model = LatencyModel(
        generator=Curve(base_ms=2.0, per_sample_ms=2.0), trainer=Curve(per_sample_ms=3.0)
    )
    policy = model.build(SPEC, seed=0)
    seen = observations(SPEC, rows=4)
    begin = time.perf_counter()
    decided = decide(policy, seen)
    middle = time.perf_counter()
    policy.evaluate({**seen, **decided})
    assert middle - begin >= 0.010
    assert time.perf_counter() - middle >= 0.012


def test_log_probs_are_those_of_coins() -> None:
    policy = LatencyModel(chunk=2).build(SPEC, seed=0)
    seen = observations(SPEC, rows=64)
    decided = decide(policy, seen, temperature=0.5)
    logits = seen["proprio"] @ policy.module.policy.detach().numpy().T / 0.5
    chance = 1 / (1 + np.exp(-logits[:, None, :]))
    expected = np.log(np.where(decided["action"] > 0, chance, 1 - chance))
    assert decided["log_prob"] == pytest.approx(expected, abs=1e-5)
    entropy = -chance * np.log(chance) - (1 - chance) * np.log(1 - chance)
    scored = policy.evaluate({**seen, **decided}).entropy.detach().numpy()
    assert scored == pytest.approx(np.broadcast_to(entropy, scored.shape), abs=1e-5)


def test_samples_are_as_frequent_as_their_probability() -> None:
    policy = LatencyModel().build(SPEC, seed=0)
    with torch.no_grad():
        policy.module.policy.fill_(1.0)
    rows = 2000
    seen = {"proprio": np.full((rows, 8), math.log(3.0) / 8, np.float32)}
    assert (decide(policy, seen)["action"] > 0).mean() == pytest.approx(0.75, abs=0.02)


def test_every_parameter_learns() -> None:
    policy = LatencyModel(chunk=2).build(SPEC, seed=0)
    seen = observations(SPEC, rows=4)
    scores = policy.evaluate({**seen, **decide(policy, seen)})
    torch.autograd.backward(scores.log_prob.sum() + scores.value.sum())
    assert all(one.grad is not None and bool(one.grad.any()) for one in policy.module.parameters())


def test_a_checkpoint_is_built_again(tmp_path: Path) -> None:
    policy = LatencyModel().build(SPEC, seed=1)
    policy.save(str(tmp_path))
    again = LatencyModel(checkpoint=str(tmp_path)).build(SPEC, seed=2)
    seen = observations(SPEC, rows=2)
    assert (decide(policy, seen)["action"] == decide(again, seen)["action"]).all()


def test_a_chunk_has_actions() -> None:
    with pytest.raises(ValueError, match=r"^chunk must be at least 1"):
        LatencyModel(chunk=0)
