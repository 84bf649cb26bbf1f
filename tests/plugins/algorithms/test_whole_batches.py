from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from toys.bench import Bench
from toys.state import saved_state

from rlvla.core.testing import check_algorithm
from rlvla.core.types import Moment, SimulatorSpec
from rlvla.plugins.algorithms.ppo import PPO
from rlvla.plugins.models.mlp import MLP

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Array

    MakePolicy = Callable[..., Policy]
    MakeBatch = Callable[..., dict[str, Array]]

SIZE = 32
SPEC = SimulatorSpec(
    cameras={}, proprio=5, action_low=(-1.0,), action_high=(1.0,), max_steps=10, control_hz=10.0
)
WHOLE: list[dict[str, Any]] = [
    {"aggregation": "token"},
    {"aggregation": "trajectory", "normalise_advantage": "batch"},
    {"normalise_advantage": "batch"},
    {"advantage": "vtrace", "normalise_advantage": "batch", "aggregation": "trajectory"},
    {"advantage": "vtrace", "normalise_advantage": "none", "rho_bar": 2.0},
]


def _ppo(**options: Any) -> PPO:  # noqa: ANN401
    fixed: dict[str, Any] = {"batch_size": SIZE, "micro_batch_size": 8, "max_grad_norm": 1e9}
    return PPO(**fixed | options)


@pytest.mark.parametrize("options", WHOLE)
def test_neither_micro_batch_nor_arrival_changes_the_gradient(
    options: dict[str, Any], tmp_path: Path
) -> None:
    states: list[dict[str, Array]] = []
    for micro, seed in ((32, 0), (1, 1), (4, 2), (16, 3)):
        bench = Bench(_ppo(micro_batch_size=micro, lr=0.05, **options))
        random = np.random.default_rng(seed)
        for _ in range(2):  # the second is as stale as batches of the first weights can be
            segments = bench.segments(SIZE // 4)
            places: list[int] = random.permutation(len(segments)).tolist()
            for place in places:
                bench.trainer.accumulate([segments[place]])
            bench.trainer.step()
        folder = tmp_path / str(micro)
        folder.mkdir()
        bench.trainer.save(str(folder))
        states.append(saved_state(folder))
    for state in states[1:]:
        for name, tensor in states[0].items():
            np.testing.assert_allclose(state[name], tensor, rtol=0, atol=1e-6, err_msg=name)
    assert np.abs(states[0]["optimizer/policy_head.weight/exp_avg"]).max() > 1e-3


@pytest.mark.parametrize("options", WHOLE)
def test_what_waits_for_the_batch_keeps_the_contract(options: dict[str, Any]) -> None:
    check_algorithm(_ppo(**options), MLP(), SPEC)


@pytest.mark.parametrize("advantage", ["gae", "vtrace"])
def test_the_first_update_begins_where_the_behaviour_is(advantage: str) -> None:
    bench = Bench(_ppo(advantage=advantage, normalise_advantage="batch", value_coef=0.0))
    bench.trainer.accumulate(bench.segments(SIZE // 4))
    metrics = bench.trainer.step()
    for name, expected in {"ratio": 1, "clip_fraction": 0, "approx_kl": 0, "loss": 0}.items():
        assert metrics[name] == pytest.approx(expected, abs=1e-6)


def test_on_policy_vtrace_trains_like_gae(tmp_path: Path) -> None:
    states: list[dict[str, Array]] = []
    for estimator in ("gae", "vtrace"):
        bench = Bench(_ppo(advantage=estimator, normalise_advantage="none", lr=0.05))
        bench.trainer.accumulate(bench.segments(SIZE // 4))
        bench.trainer.step()
        folder = tmp_path / estimator
        folder.mkdir()
        bench.trainer.save(str(folder))
        states.append(saved_state(folder))
    for name, tensor in states[0].items():
        np.testing.assert_allclose(states[1][name], tensor, rtol=0, atol=1e-6, err_msg=name)


def test_one_step_a_pass_is_counted() -> None:
    bench = Bench(_ppo(epochs=3, minibatches=2))
    bench.trainer.accumulate(bench.segments(SIZE // 4))
    assert bench.trainer.step()["optimizer_steps"] == 6


@pytest.mark.parametrize(("level", "values"), [("chunk", 1), ("action", 3)])
def test_vtrace_uses_values_and_ratios_of_the_present_weights(
    make_policy: MakePolicy, make_batch: MakeBatch, level: str, values: int
) -> None:
    """Two segments of a decision each, cut after it: nothing but the formula of one step."""
    policy = make_policy(chunk=3, elements=2, values=values)
    batch = make_batch(policy, size=2, drift=0.5)
    flags = {name: np.zeros((2, 3), np.bool_) for name in ("terminated", "truncated")}
    batch |= {**flags, "segment": np.array([4, 5]), "reward": np.ones((2, 3))}
    batch["valid"] = np.array([[True, False, False], [True, True, True]])
    bounds = {"rho_bar": 0.9, "c_bar": 0.9}
    options: dict[str, Any] = {"advantage_level": level, "normalise_advantage": "none", **bounds}
    ppo = PPO(advantage="vtrace", micro_batch_size=1, **options)
    bootstrap = np.full((2, values), 2.0, np.float32)
    batch |= ppo.targets(batch, bootstrap)
    fields = ppo.complete(batch, policy)
    present = policy.value(batch).detach().numpy()
    np.testing.assert_allclose(fields["value"], present, rtol=1e-6)
    scored = policy.evaluate(batch).log_prob.detach().numpy() - batch["log_prob"]
    only = np.exp(scored[0, 0].sum())
    error = 1 + 0.99 * 2 - present[0, 0]
    np.testing.assert_allclose(fields["advantage"][0, 0], error, rtol=1e-5)
    expected = present[0, 0] + min(0.9, only) * error
    np.testing.assert_allclose(fields["return"][0, 0], expected, rtol=1e-5)
    assert np.isfinite(fields["advantage"]).sum() == (2 if values == 1 else 4)


def test_the_ratio_of_a_chunk_is_that_of_what_was_executed(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1)
    batch = make_batch(policy, size=1, drift=0.5)
    flags = {name: np.zeros((1, 3), np.bool_) for name in ("terminated", "truncated")}
    batch |= {**flags, "segment": np.zeros(1), "reward": np.ones((1, 3))}
    batch["valid"] = np.array([[True, True, False]])
    batch["log_prob"][0, 2] = np.nan
    ppo = PPO(advantage="vtrace", normalise_advantage="none", rho_bar=9.0)
    batch |= ppo.targets(batch, np.zeros((1, 1), np.float32))
    fields = ppo.complete(batch, policy)
    scored = policy.evaluate(batch).log_prob.detach().numpy() - batch["log_prob"]
    gained = (fields["return"] - fields["value"]) / fields["advantage"]
    np.testing.assert_allclose(gained, np.exp(scored[:, :2].sum()), rtol=1e-4)


def test_normalised_by_the_batch_the_first_loss_is_zero(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1)
    batch = make_batch(policy, size=16)
    ppo = PPO(normalise_advantage="batch", value_coef=0.0)
    batch |= ppo.complete(batch, policy)
    known = batch["advantage"]
    assert known.mean() == pytest.approx(0, abs=1e-6)
    assert known.std(ddof=1) == pytest.approx(1, abs=1e-4)
    loss, metrics = ppo.loss(policy, batch, Moment(0, 0, {}))
    assert loss.mean().item() == pytest.approx(0, abs=1e-6)
    assert torch.equal(metrics["ratio"], torch.ones(16).double())


@pytest.mark.parametrize("by", ["batch", "minibatch"])
def test_what_was_not_executed_is_not_counted(
    make_policy: MakePolicy, make_batch: MakeBatch, by: str
) -> None:
    policy = make_policy(chunk=3, elements=2, values=3)
    batch = make_batch(policy, size=8)
    options: dict[str, Any] = {"advantage_level": "action", "value_coef": 0.0}
    normalised: dict[str, Any] = {**options, "normalise_advantage": by}
    ppo = PPO(**normalised)
    known = batch["advantage"][batch["valid"]]
    by_hand = {**batch, "advantage": (batch["advantage"] - known.mean()) / known.std(ddof=1)}
    batch |= ppo.complete(batch, policy)
    ours, _ = ppo.loss(policy, batch, Moment(0, 0, {}))
    expected, _ = PPO(normalise_advantage="none", **options).loss(policy, by_hand, Moment(0, 0, {}))
    assert not batch["valid"].all()
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
