from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from rlvla.core.types import Field, Moment, SimulatorSpec
from rlvla.plugins.algorithms.sft import SFT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rlvla.core.interfaces import Algorithm, Policy
    from rlvla.core.types import Array

    MakePolicy = Callable[..., Policy]
    MakeBatch = Callable[..., dict[str, Array]]

SPEC = SimulatorSpec(
    cameras={}, proprio=5, action_low=(-1.0,), action_high=(1.0,), max_steps=10, control_hz=10.0
)
MOMENT = Moment(0, 0, {})


def test_the_loss_is_the_imitation_loss_of_the_policy(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=2, elements=3, values=1)
    batch = make_batch(policy, size=4)
    losses, metrics = SFT().loss(policy, batch, MOMENT)
    assert torch.equal(losses, policy.imitate(batch))
    assert torch.equal(losses, metrics["imitation_loss"])
    assert list(metrics) == ["imitation_loss"]


def test_a_decision_of_which_nothing_was_executed_contributes_nothing(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=2, elements=3, values=2)
    batch = make_batch(policy, size=4)
    batch["valid"][:] = False
    batch["return"][:] = np.nan
    losses, _ = SFT(value_coef=1.0).loss(policy, batch, MOMENT)
    torch.autograd.backward([losses.sum()])
    assert torch.equal(losses, torch.zeros_like(losses))
    assert all(one.grad is not None and not one.grad.any() for one in policy.module.parameters())


@pytest.mark.parametrize("values", [1, 2])
def test_the_critic_regresses_on_what_was_executed(
    make_policy: MakePolicy, make_batch: MakeBatch, values: int
) -> None:
    policy = make_policy(chunk=2, elements=3, values=values)
    batch = make_batch(policy, size=4)
    losses, metrics = SFT(value_coef=0.5).loss(policy, batch, MOMENT)
    error = (policy.value(batch).detach().numpy() - batch["return"]) ** 2 / 2
    np.testing.assert_allclose(metrics["value_loss"], np.nanmean(error, axis=1))
    torch.testing.assert_close(
        losses, metrics["imitation_loss"] + 0.5 * metrics["value_loss"], check_dtype=False
    )


def _episode(*, terminated: bool) -> dict[str, Array]:
    flags = np.zeros((2, 2), np.bool_)
    last = np.array([[False, False], [True, False]])
    return {
        "reward": np.array([[0.0, 1.0], [2.0, np.nan]], np.float32),
        "terminated": last if terminated else flags,
        "truncated": flags if terminated else last,
        "valid": np.array([[True, True], [True, False]]),
    }


def test_the_target_is_the_discounted_return_of_decisions_or_of_actions() -> None:
    algorithm: Algorithm = SFT(value_coef=1.0, gamma=0.5)
    nothing = np.zeros((2, 2), np.float32)
    decisions = algorithm.targets(_episode(terminated=True), nothing[:, :1])
    actions = algorithm.targets(_episode(terminated=True), nothing)
    np.testing.assert_array_equal(decisions["return"], [[2.0], [2.0]])
    np.testing.assert_array_equal(actions["return"], [[1.0, 2.0], [2.0, np.nan]])


def test_a_return_that_was_cut_is_completed_by_the_critic() -> None:
    bootstrap = np.array([[0.0], [4.0]], np.float32)
    targets = SFT(value_coef=1.0, gamma=0.5).targets(_episode(terminated=False), bootstrap)
    np.testing.assert_array_equal(targets["return"], [[3.0], [4.0]])


def test_there_is_no_target_if_the_critic_is_left_alone() -> None:
    assert SFT().targets(_episode(terminated=True), np.zeros((2, 1), np.float32)) == {}
    assert SFT().normalised == ()


def test_the_learning_rate_warms_up_linearly_and_never_starts_at_zero() -> None:
    assert [SFT(warmup=3).lr_scale(update) for update in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert SFT().lr_scale(0) == 1.0


def test_only_trainable_parameters_are_trained(make_policy: MakePolicy) -> None:
    policy = make_policy(chunk=1, elements=1, values=1).module
    for name, parameter in policy.named_parameters():
        parameter.requires_grad = name == "token_head.bias"
    groups = SFT(lr=0.1, weight_decay=0.2).parameter_groups(policy)
    expected = [policy.get_parameter("token_head.bias")]
    assert groups == [{"params": expected, "lr": 0.1, "weight_decay": 0.2}]


def test_a_critic_that_is_not_there_cannot_be_trained() -> None:
    model = {"action": Field((1, 1), "float32")}
    SFT().check(SPEC, model)
    SFT(value_coef=1.0).check(SPEC, model | {"value": Field((1,), "float32")})
    with pytest.raises(
        ValueError, match=r"^value_coef must be 0 for a model that records no value"
    ):
        SFT(value_coef=1.0).check(SPEC, model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"demonstrations": 0}, "demonstrations must be at least 1, got 0"),
        ({"micro_batch_size": 0}, "micro_batch_size must be at least 1, got 0"),
        ({"batch_size": 8, "micro_batch_size": 3}, "micro_batch_size must divide batch_size, 8"),
        ({"gamma": 2.0}, "gamma must be between 0 and 1, got 2.0"),
        ({"warmup": -1}, "warmup must be at least 0, got -1"),
    ],
)
def test_options_out_of_range_are_explained(options: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        SFT(**options)
