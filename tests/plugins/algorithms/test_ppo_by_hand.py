from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

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


def _losses(
    algorithm: Algorithm, policy: Policy, batch: Arrays
) -> tuple[Tensor, dict[str, Tensor]]:
    losses, metrics = algorithm.loss(policy, batch, MOMENT)
    return losses, dict(metrics)


def _single(
    make_policy: MakePolicy, make_batch: MakeBatch, *, ratio: float, advantage: float
) -> tuple[Policy, dict[str, Array]]:
    """Return a policy and one recorded decision of one token that has this ratio by now."""
    policy = make_policy(chunk=1, elements=1, values=1)
    batch = make_batch(policy, size=1)
    batch["log_prob"] = batch["log_prob"] - np.log(ratio)
    batch["advantage"] = np.array([[advantage]])
    return policy, batch


def _tokens(policy: Policy, batch: Arrays) -> Array:
    """Return the ratio of each token, [B, C, K]."""
    log_prob: Array = policy.evaluate(batch).log_prob.detach().numpy()
    ratio: Array = np.exp(log_prob - batch["log_prob"])
    return ratio


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [
        (1.5, 1.0, -1.3),
        (0.5, 1.0, -0.5),
        (1.5, -1.0, 1.5),
        (0.5, -1.0, 0.9),
        (4.0, -2.0, 6.0),
        (4.0, 2.0, -2.6),
    ],
)
def test_the_surrogate_by_hand(
    make_policy: MakePolicy, make_batch: MakeBatch, ratio: float, advantage: float, expected: float
) -> None:
    policy, batch = _single(make_policy, make_batch, ratio=ratio, advantage=advantage)
    algorithm = PPO(clip_low=0.1, clip_high=0.3, dual_clip=3.0, normalise_advantage="none")
    _, metrics = _losses(algorithm, policy, batch)
    np.testing.assert_allclose(metrics["policy_loss"], [expected])
    np.testing.assert_allclose(metrics["clip_fraction"], [1.0])
    np.testing.assert_allclose(metrics["approx_kl"], [ratio - 1 - np.log(ratio)])


def test_the_dual_clip_bounds_only_what_a_large_ratio_costs(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=1, elements=1, values=1)
    batch = make_batch(policy, size=200, drift=1.0)
    plain, bounded = (
        _losses(PPO(dual_clip=c, normalise_advantage="none"), policy, batch)[1]["policy_loss"]
        for c in (None, 2.0)
    )
    advantage = batch["advantage"][:, 0]
    changed = (plain != bounded).numpy()
    ratio = _tokens(policy, batch)[:, 0, 0]
    np.testing.assert_array_equal(changed, (advantage < 0) & (ratio > 2.0))
    assert changed.any()
    assert (bounded.numpy() <= 2.0 * np.abs(advantage) + 1e-12).all()


def test_a_ratio_beyond_all_numbers_leaves_the_gradient_finite(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy, batch = _single(make_policy, make_batch, ratio=1.0, advantage=1.0)
    batch["log_prob"] -= 1e4
    torch.autograd.backward([_losses(PPO(), policy, batch)[0].sum()])
    gradients = [one.grad for one in policy.module.parameters()]
    assert all(one is not None and one.isfinite().all() for one in gradients)


@pytest.mark.parametrize(
    ("recorded", "target", "expected"),
    [
        (0.0, 2.0, 0.5 * 1.8**2),
        (0.0, -1.5, 0.5 * 2.5**2),
        (1.0, 1.5, 0.5 * 0.5**2),
        (1.0, 11.0, 3.0 * (10 - 1.5)),
    ],
)
def test_the_value_loss_by_hand(
    make_policy: MakePolicy,
    make_batch: MakeBatch,
    recorded: float,
    target: float,
    expected: float,
) -> None:
    policy = make_policy(chunk=1, elements=1, values=1)
    batch = make_batch(policy, size=1)
    present = batch["value"].item()
    batch["value"] = np.array([[present - 1 + recorded]])
    batch["return"] = np.array([[present - 1 + target]])
    _, metrics = _losses(PPO(value_clip=0.2, huber_delta=3.0), policy, batch)
    np.testing.assert_allclose(metrics["value_loss"], [expected])


def test_without_a_value_clip_the_value_loss_forgets_what_was_recorded(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=1, elements=1, values=1)
    batch = make_batch(policy, size=6, drift=1.0)
    error = batch["return"] - policy.value(batch).detach().numpy()
    _, metrics = _losses(PPO(value_clip=None), policy, batch)
    np.testing.assert_allclose(metrics["value_loss"], error[:, 0] ** 2 / 2)
