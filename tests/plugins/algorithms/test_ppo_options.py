from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from rlvla.core.registry import Components
from rlvla.core.types import Field, Moment, SimulatorSpec
from rlvla.plugins import algorithms
from rlvla.plugins.algorithms.ppo import PPO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Array

    MakePolicy = Callable[..., Policy]

SPEC = SimulatorSpec(
    cameras={},
    proprio=5,
    action_low=(-1.0,),
    action_high=(1.0,),
    max_steps=10,
    control_hz=10.0,
)
LEVELS = [
    ("chunk", "token"),
    ("chunk", "action"),
    ("chunk", "chunk"),
    ("action", "token"),
    ("action", "action"),
]


def _options(advantage: str, ratio: str) -> dict[str, Any]:
    return {"advantage_level": advantage, "ratio_level": ratio}


def test_the_critic_has_its_own_learning_rate(make_policy: MakePolicy) -> None:
    policy = make_policy(chunk=1, elements=1, values=1).module
    groups = PPO(lr=0.1, value_lr=0.2, weight_decay=0.3).parameter_groups(policy)
    rates = {group["lr"] for group in torch.optim.AdamW(groups).param_groups}
    assert rates == {0.1, 0.2}
    assert [group["weight_decay"] for group in groups] == [0.3, 0.3]
    for head, group in zip(("token_head", "value_head"), groups, strict=True):
        parts = (f"{head}.weight", f"{head}.bias")
        assert group["params"] == [policy.get_parameter(part) for part in parts]


def test_frozen_parameters_are_left_out(make_policy: MakePolicy) -> None:
    policy = make_policy(chunk=1, elements=1, values=1).module
    for name, parameter in policy.named_parameters():
        parameter.requires_grad = name == "token_head.bias"
    groups = PPO().parameter_groups(policy)
    assert [group["params"] for group in groups] == [[policy.get_parameter("token_head.bias")]]


def _fields(values: int, chunk: int = 3) -> dict[str, Field]:
    return {"log_prob": Field((chunk, 2), "float32"), "value": Field((values,), "float32")}


@pytest.mark.parametrize(("advantage", "ratio"), LEVELS)
def test_levels_that_fit_are_accepted(advantage: str, ratio: str) -> None:
    PPO(**_options(advantage, ratio)).check(SPEC, _fields(1 if advantage == "chunk" else 3))


@pytest.mark.parametrize(
    ("options", "model", "message"),
    [
        (_options("action", "chunk"), _fields(3), "ratio_level 'chunk' is coarser than"),
        ({"temperature": 0.0}, _fields(1), "temperature must be above 0, got 0.0: zero"),
        ({"temperature": float("nan")}, _fields(1), "temperature must be above 0, got nan"),
        ({}, {"value": Field((1,), "float32")}, "ratio_level needs a model that records log_prob"),
        ({}, {"log_prob": Field((3, 2), "f4")}, "advantage_level needs a model that records value"),
        ({}, _fields(3), "advantage_level needs 1 values a decision, not 3"),
        (_options("action", "token"), _fields(1), "advantage_level needs 3 values a decision"),
        (
            {**_options("action", "token"), "chunk_discount": "per_step"},
            _fields(3),
            "chunk_discount is for advantage_level 'chunk'",
        ),
        (
            {"advantage": "vtrace"},
            _fields(1),
            "normalise_advantage must be batch, minibatch or none with advantage 'vtrace'",
        ),
        (
            {"normalise_advantage": "minibatch", "minibatches": 4},
            _fields(1),
            "normalise_advantage 'minibatch' needs a micro_batch_size of the whole minibatch, 64",
        ),
    ],
)
def test_contradictions_are_explained(
    options: Mapping[str, Any], model: dict[str, Field], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        PPO(**options).check(SPEC, model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"micro_batch_size": 48}, "micro_batch_size must divide batch_size, 256, got 48"),
        ({"gamma": 1.5}, "gamma must be between 0 and 1, got 1.5"),
        ({"lr": float("nan")}, "lr must be at least 0, got nan"),
        ({"dual_clip": 0.5}, "dual_clip must be at least 1, got 0.5"),
        ({"value_clip": -0.1}, "value_clip must be at least 0, got -0.1"),
        ({"lr_decay": 0}, "lr_decay must be at least 1, got 0"),
        ({"rho_bar": 0.5}, "rho_bar must be at least 1.0, got 0.5"),
        ({"beta2": 2.0}, "beta2 must be between 0 and 1, got 2.0"),
        ({"reward_scale": 0.0}, "reward_scale must be at least 1e-06, got 0.0"),
    ],
)
def test_options_out_of_range_are_explained(options: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        PPO(**options)


def test_ppo_learns_from_its_own_decisions_at_a_constant_rate() -> None:
    assert PPO().demonstrations == 0
    assert {PPO().lr_scale(update) for update in (0, 1, 1000)} == {1.0}


def test_learning_rates_fall_linearly_to_zero_and_stay_there() -> None:
    ppo = PPO(lr_decay=4)
    assert [ppo.lr_scale(update) for update in range(6)] == [1, 0.75, 0.5, 0.25, 0, 0]


@pytest.mark.parametrize(("updates", "expected"), [(0, 1.2), (2, 1.1), (4, 1.0), (9, 1.0)])
def test_the_bounds_of_the_ratio_fall_linearly_to_one(
    make_policy: MakePolicy,
    make_batch: Callable[..., dict[str, Array]],
    updates: int,
    expected: float,
) -> None:
    policy = make_policy(chunk=1, elements=1, values=1)
    batch = make_batch(policy, size=1)
    batch["log_prob"] = batch["log_prob"] - np.log(3)
    batch["advantage"] = np.array([[1.0]])
    ppo = PPO(clip_decay=4, normalise_advantage="none")
    _, metrics = ppo.loss(policy, batch, Moment(0, updates, {}))
    assert metrics["policy_loss"].item() == pytest.approx(-expected)


def test_the_optimizer_has_the_memory_that_was_asked_for(make_policy: MakePolicy) -> None:
    policy = make_policy(chunk=1, elements=1, values=1).module
    groups = PPO(beta2=0.999, adam_eps=1e-5).parameter_groups(policy)
    made = torch.optim.AdamW(groups, betas=(0.5, 0.5)).param_groups
    assert {(group["betas"], group["eps"]) for group in made} == {((0.9, 0.999), 1e-5)}


def test_rewards_are_scaled_before_anything_else() -> None:
    random = np.random.default_rng(0)
    flags = np.zeros((4, 1), np.bool_)
    segment = {
        "reward": random.normal(size=(4, 1)),
        "value": random.normal(size=(4, 1)),
        "terminated": flags,
        "truncated": flags,
        "valid": ~flags,
    }
    bootstrap = random.normal(size=(4, 1)).astype(np.float32)
    scaled = PPO(reward_scale=5.0).targets(segment, bootstrap)
    by_hand = PPO().targets({**segment, "reward": 5 * segment["reward"]}, bootstrap)
    for name, target in by_hand.items():
        np.testing.assert_array_equal(scaled[name], target)


@pytest.mark.parametrize(
    ("options", "waits"),
    [
        ({}, False),
        ({"normalise_advantage": "minibatch", "minibatches": 8}, False),
        ({"normalise_advantage": "batch"}, True),
        ({"aggregation": "token"}, True),
        ({"advantage": "vtrace", "normalise_advantage": "none"}, True),
    ],
)
def test_only_what_relates_decisions_waits_for_the_batch(
    options: dict[str, Any], *, waits: bool
) -> None:
    ppo = PPO(**options)
    ppo.check(SPEC, _fields(1))
    assert ppo.whole is waits


def test_algorithms_are_registered_and_load_no_torch() -> None:
    components = Components()
    algorithms.register(components)
    assert list(components.algorithms) == ["grpo", "ppo", "sft"]
    program = (
        "import sys, rlvla.plugins.algorithms.ppo, rlvla.plugins.algorithms.sft;"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
