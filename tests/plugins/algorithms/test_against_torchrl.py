from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toys.segments import following, made

from rlvla.core.types import Moment
from rlvla.plugins.algorithms.gae import gae
from rlvla.plugins.algorithms.ppo import PPO
from rlvla.plugins.algorithms.vtrace import VTrace

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torchrl says what else could be installed
    objectives: Any = import_module("torchrl.objectives")
    value_functional: Any = import_module("torchrl.objectives.value.functional")
    tensordict: Any = import_module("tensordict")
    modules: Any = import_module("tensordict.nn")

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn
    from toys.segments import Made

    from rlvla.core.types import Array

SEEDS, LENGTHS = st.integers(0, 9999), st.integers(1, 12)
UNIT = st.floats(0, 1, width=32)  # torchrl makes tensors of single precision of these
BOUND = st.floats(0.125, 3, width=32)


def _tensors(one: Made) -> dict[str, Tensor]:
    segment = one.segment
    arrays = {
        "state_value": one.value,
        "next_state_value": following(segment, one.value, one.bootstrap),
        "reward": segment["reward"],
        "done": segment["terminated"] | segment["truncated"],
        "terminated": segment["terminated"],
    }
    return {name: torch.as_tensor(array) for name, array in arrays.items()}


@settings(deadline=None, derandomize=True, database=None)
@given(SEEDS, LENGTHS, UNIT, UNIT)
def test_gae_agrees(seed: int, length: int, gamma: float, trace: float) -> None:
    one = made(seed=seed, length=length)
    theirs, target = value_functional.generalized_advantage_estimate(gamma, trace, **_tensors(one))
    ours = gae(one.steps(gamma), trace)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6)
    np.testing.assert_allclose(ours + one.value, target.numpy(), atol=1e-6)


@settings(deadline=None, derandomize=True, database=None)
@given(SEEDS, LENGTHS, UNIT, BOUND, BOUND)
def test_vtrace_agrees(seed: int, length: int, gamma: float, one_bound: float, two: float) -> None:
    one = made(seed=seed, length=length)
    c_bar, rho_bar = sorted((one_bound, two))
    bounds = {"rho_thresh": rho_bar, "c_thresh": c_bar}
    logs = {"log_pi": torch.as_tensor(np.log(one.ratio)), "log_mu": torch.zeros(length, 1).double()}
    theirs, target = value_functional.vtrace_advantage_estimate(
        gamma, **logs, **_tensors(one), **bounds
    )
    vtrace = VTrace(trace=1.0, rho_bar=rho_bar, c_bar=c_bar)
    advantage, value = vtrace.of(one.steps(gamma), one.ratio)
    np.testing.assert_allclose(value, target.numpy(), atol=1e-12)
    weighted = np.minimum(rho_bar, one.ratio) * advantage
    np.testing.assert_allclose(weighted, theirs.numpy(), atol=1e-12)


def _oracle(policy: nn.Module, batch: dict[str, Array], ppo: PPO) -> dict[str, Tensor]:
    """Return the losses of a policy of one token, as torchrl sees them."""
    actor = modules.ProbabilisticTensorDictSequential(
        modules.TensorDictModule(policy.get_submodule("token_head"), ["observation"], ["logits"]),
        modules.ProbabilisticTensorDictModule(
            ["logits"],
            ["action"],
            distribution_class=torch.distributions.Categorical,
            return_log_prob=True,
        ),
    )
    critic = modules.TensorDictModule(
        policy.get_submodule("value_head"), ["observation"], ["state_value"]
    )
    loss = objectives.ClipPPOLoss(
        actor,
        critic,
        clip_epsilon=(ppo.clip_low, ppo.clip_high),
        entropy_coeff=ppo.entropy_coef,
        critic_coeff=ppo.value_coef / 2,
        loss_critic_type="l2",
        clip_value=ppo.value_clip,
        normalize_advantage=ppo.normalise_advantage == "minibatch",
        reduction="mean",
    )
    arrays = {
        "observation": batch["proprio"],
        "action": batch["tokens"][:, 0, 0],
        "action_log_prob": batch["log_prob"][:, 0, 0],
        "state_value": batch["value"],
        "advantage": batch["advantage"],
        "value_target": batch["return"],
    }
    tensors: Any = {name: torch.as_tensor(array) for name, array in arrays.items()}
    return dict(loss(tensordict.TensorDict(tensors, [len(batch["tokens"])])))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "options",
    [
        {"value_clip": None},
        {"value_clip": 0.3, "clip_low": 0.1, "clip_high": 0.3, "value_coef": 0.7},
        {"normalise_advantage": "minibatch", "entropy_coef": 0.1},
    ],
)
def test_the_clipped_losses_agree_and_so_do_their_gradients(
    make_policy: Callable[..., Any],
    make_batch: Callable[..., dict[str, Array]],
    options: dict[str, Any],
    seed: int,
) -> None:
    policy = make_policy(chunk=1, elements=1, values=1)
    batch = make_batch(policy, size=64, drift=0.4, seed=seed)
    fixed: dict[str, Any] = {"huber_delta": 1e9, "normalise_advantage": "none"}
    ppo = PPO(**fixed | options)
    theirs = _oracle(policy, batch, ppo)
    loss, metrics = ppo.loss(policy, batch, Moment(0, 0, {}))
    parts = {"policy_loss": "loss_objective", "entropy": "entropy"}
    for ours, name in parts.items():
        assert metrics[ours].mean().item() == pytest.approx(theirs[name].item(), abs=2e-6)
    total = theirs["loss_objective"] + theirs["loss_critic"] + theirs.get("loss_entropy", 0.0)
    assert loss.mean().item() == pytest.approx(total.item(), abs=2e-6)
    assert 0.1 < metrics["clip_fraction"].mean() < 0.9
    gradients: list[list[Tensor]] = []
    for one in (loss.mean(), total):
        torch.autograd.backward(one)
        gradients.append([parameter.grad.clone() for parameter in policy.parameters()])
        policy.zero_grad()
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)
