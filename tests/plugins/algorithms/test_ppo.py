from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from toys.segments import made

from rlvla.core.types import Moment
from rlvla.plugins.algorithms.ppo import PPO

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from rlvla.core.interfaces import Algorithm, Policy
    from rlvla.core.types import Array, Arrays

    MakePolicy = Callable[..., Policy]
    MakeBatch = Callable[..., dict[str, Array]]

MOMENT = Moment(0, 0, {"advantage": (0.3, 1.7)})
LEVELS = [
    ("chunk", "token"),
    ("chunk", "action"),
    ("chunk", "chunk"),
    ("action", "token"),
    ("action", "action"),
]


def _options(advantage: str, ratio: str) -> dict[str, Any]:
    return {"advantage_level": advantage, "ratio_level": ratio}


def _losses(
    algorithm: Algorithm, policy: Policy, batch: Arrays
) -> tuple[Tensor, dict[str, Tensor]]:
    losses, metrics = algorithm.loss(policy, batch, MOMENT)
    return losses, dict(metrics)


def _gradient(policy: Policy) -> Tensor:
    """Return the gradient of all parameters as one vector, and forget it."""
    parameters = list(policy.module.parameters())
    gradient = torch.cat(
        [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in parameters]
    )
    policy.module.zero_grad()
    return gradient


def _backward(losses: Tensor) -> None:
    torch.autograd.backward([losses.sum()])


def _tokens(policy: Policy, batch: Arrays) -> Array:
    """Return the ratio of each token, [B, C, K]."""
    log_prob: Array = policy.evaluate(batch).log_prob.detach().numpy()
    ratio: Array = np.exp(log_prob - batch["log_prob"])
    return ratio


@pytest.mark.parametrize(("advantage", "ratio"), LEVELS)
def test_at_equal_weights_the_ratio_is_1_and_nothing_is_clipped(
    make_policy: MakePolicy, make_batch: MakeBatch, advantage: str, ratio: str
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1 if advantage == "chunk" else 3)
    batch = make_batch(policy, size=6)
    algorithm = PPO(normalise_advantage="none", **_options(advantage, ratio))
    _, metrics = _losses(algorithm, policy, batch)
    for name, expected in (("ratio", 1.0), ("clip_fraction", 0.0), ("approx_kl", 0.0)):
        np.testing.assert_array_equal(metrics[name], np.full(6, expected))
    np.testing.assert_allclose(metrics["policy_loss"], -np.nanmean(batch["advantage"], axis=1))


@pytest.mark.parametrize(("advantage", "ratio"), LEVELS)
def test_at_equal_weights_the_gradient_is_that_of_the_policy_gradient(
    make_policy: MakePolicy, make_batch: MakeBatch, advantage: str, ratio: str
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1 if advantage == "chunk" else 3)
    batch = make_batch(policy, size=6)
    batch["valid"][:] = True
    for target in ("advantage", "return"):
        batch[target] = np.random.default_rng(1).normal(size=batch["value"].shape)
    algorithm = PPO(normalise_advantage="none", value_coef=0.0, **_options(advantage, ratio))
    _backward(algorithm.loss(policy, batch, MOMENT)[0])
    ours = _gradient(policy)
    weight = torch.as_tensor(batch["advantage"])[:, :, None]
    log_prob = policy.evaluate(batch).log_prob
    entries = {"token": 6, "action": 3, "chunk": 1}[ratio]
    _backward(-(weight * log_prob).sum((1, 2)) / entries)
    torch.testing.assert_close(ours, _gradient(policy))


def test_an_action_ratio_is_the_product_of_its_token_ratios(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=1, elements=4, values=1)
    batch = make_batch(policy, size=6, drift=0.3)
    _, metrics = _losses(PPO(ratio_level="action"), policy, batch)
    np.testing.assert_allclose(metrics["ratio"], _tokens(policy, batch).prod((1, 2)), rtol=1e-12)


def test_a_chunk_ratio_is_the_product_of_the_ratios_that_were_executed(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1)
    batch = make_batch(policy, size=6, drift=0.3)
    _, metrics = _losses(PPO(ratio_level="chunk"), policy, batch)
    executed = np.where(batch["valid"][:, :, None], _tokens(policy, batch), 1.0)
    assert not batch["valid"].all()
    np.testing.assert_allclose(metrics["ratio"], executed.prod((1, 2)), rtol=1e-12)


@pytest.mark.parametrize(
    ("shape", "first", "second"),
    [
        ((3, 1), ("action", "token"), ("action", "action")),
        ((1, 2), ("chunk", "action"), ("action", "action")),
        ((1, 2), ("chunk", "chunk"), ("action", "action")),
    ],
)
def test_levels_that_mean_the_same_give_the_same_loss(
    make_policy: MakePolicy,
    make_batch: MakeBatch,
    shape: tuple[int, int],
    first: tuple[str, str],
    second: tuple[str, str],
) -> None:
    policy = make_policy(chunk=shape[0], elements=shape[1], values=shape[0])
    batch = make_batch(policy, size=6, drift=0.3)
    losses = [_losses(PPO(**_options(*levels)), policy, batch)[0] for levels in (first, second)]
    torch.testing.assert_close(losses[0], losses[1])


def test_the_entropy_bonus_is_the_mean_entropy(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1)
    batch = make_batch(policy, size=6)
    without, metrics = _losses(PPO(), policy, batch)
    with_bonus, _ = _losses(PPO(entropy_coef=0.5), policy, batch)
    torch.testing.assert_close(without - with_bonus, 0.5 * metrics["entropy"])
    entropy = policy.evaluate(batch).entropy.detach().numpy()
    expected = [one[valid].mean() for one, valid in zip(entropy, batch["valid"], strict=True)]
    np.testing.assert_allclose(metrics["entropy"], expected)


def test_advantages_are_normalised_by_the_given_statistics(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1)
    batch = make_batch(policy, size=6, drift=0.3)
    centre, deviation = MOMENT.moments["advantage"]
    by_hand = {**batch, "advantage": (batch["advantage"] - centre) / (deviation + 1e-5)}
    torch.testing.assert_close(
        _losses(PPO(), policy, batch)[0],
        _losses(PPO(normalise_advantage="none"), policy, by_hand)[0],
    )
    assert PPO().normalised == ("advantage",)
    assert PPO(normalise_advantage="none").normalised == ()


def test_only_the_critic_learns_while_it_warms_up(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1)
    batch = make_batch(policy, size=6, drift=0.3)
    algorithm = PPO(critic_warmup=2, entropy_coef=0.1)
    for updates, learns in ((0, False), (1, False), (2, True)):
        moment = replace(MOMENT, updates=updates)
        _backward(algorithm.loss(policy, batch, moment)[0])
        moved = {
            name
            for name, parameter in policy.module.named_parameters()
            if parameter.grad is not None and parameter.grad.any()
        }
        policy.module.zero_grad()
        assert {"value_head.weight", "value_head.bias"} <= moved
        assert ("token_head.weight" in moved) == learns


@pytest.mark.parametrize(("advantage", "ratio"), LEVELS)
def test_what_was_not_executed_changes_neither_loss_nor_gradient(
    make_policy: MakePolicy, make_batch: MakeBatch, advantage: str, ratio: str
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1 if advantage == "chunk" else 3)
    clean = make_batch(policy, size=6, drift=0.3)
    algorithm = PPO(entropy_coef=0.1, dual_clip=3.0, **_options(advantage, ratio))
    unused = ~clean["valid"]
    poison = np.where(unused, np.nan, 0.0)
    poisoned = {
        **clean,
        "log_prob": clean["log_prob"] + poison[:, :, None],
        "disturbance": np.repeat(poison[:, :, None], 2, axis=2),
    }
    if advantage == "action":
        poisoned["value"] = clean["value"] + poison
    first, _ = _losses(algorithm, policy, clean)
    _backward(first)
    gradient = _gradient(policy)
    second, metrics = _losses(algorithm, policy, poisoned)
    _backward(second)
    assert unused.any()
    assert first.isfinite().all()
    assert torch.equal(first, second)
    assert torch.equal(gradient, _gradient(policy))
    assert all(metric.isfinite().all() for metric in metrics.values())


@pytest.mark.parametrize(("advantage", "ratio"), LEVELS)
def test_a_decision_of_which_nothing_was_executed_contributes_nothing(
    make_policy: MakePolicy, make_batch: MakeBatch, advantage: str, ratio: str
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1 if advantage == "chunk" else 3)
    batch = make_batch(policy, size=2)
    batch["valid"][:] = False
    batch["advantage"][:] = batch["return"][:] = batch["log_prob"][:] = np.nan
    losses, _ = _losses(PPO(entropy_coef=0.1, **_options(advantage, ratio)), policy, batch)
    _backward(losses)
    assert torch.equal(losses, torch.zeros_like(losses))
    assert not _gradient(policy).any()


@pytest.mark.parametrize(("advantage", "ratio"), LEVELS)
def test_neither_micro_batches_nor_order_change_the_gradient(
    make_policy: MakePolicy, make_batch: MakeBatch, advantage: str, ratio: str
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1 if advantage == "chunk" else 3)
    batch = make_batch(policy, size=8, drift=0.3)
    algorithm = PPO(entropy_coef=0.1, **_options(advantage, ratio))
    gradients: list[Tensor] = []
    order = np.random.default_rng(0).permutation(8)
    for size in (8, 4, 1):
        for first in range(0, 8, size):
            part = {name: one[order[first : first + size]] for name, one in batch.items()}
            _backward(_losses(algorithm, policy, part)[0] / 8)
        gradients.append(_gradient(policy))
        order = np.arange(8)
    torch.testing.assert_close(gradients[0], gradients[1])
    torch.testing.assert_close(gradients[0], gradients[2])


def test_with_one_action_a_chunk_levels_have_the_same_targets() -> None:
    one = made(seed=0, length=12)
    segment, bootstrap = {**one.segment, "value": one.value}, one.bootstrap.astype(np.float32)
    chunk = PPO(advantage_level="chunk").targets(segment, bootstrap)
    action = PPO(advantage_level="action").targets(segment, bootstrap)
    per_step = PPO(chunk_discount="per_step").targets(segment, bootstrap)
    for name in ("advantage", "return"):
        np.testing.assert_array_equal(chunk[name], action[name])
        np.testing.assert_array_equal(chunk[name], per_step[name])


def test_targets_are_advantage_and_advantage_plus_value() -> None:
    segment = {
        "reward": np.array([[0.0, 1.0]], np.float32),
        "terminated": np.array([[True, False]]),
        "truncated": np.zeros((1, 2), np.bool_),
        "valid": np.array([[True, False]]),
        "value": np.array([[0.25, 7.0]], np.float32),
    }
    targets = PPO(advantage_level="action").targets(segment, np.zeros((1, 2), np.float32))
    np.testing.assert_array_equal(targets["advantage"], [[-0.25, np.nan]])
    np.testing.assert_array_equal(targets["return"], [[0.0, np.nan]])
    assert {target.dtype.name for target in targets.values()} == {"float32"}
