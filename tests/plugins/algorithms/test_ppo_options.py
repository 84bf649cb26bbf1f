from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch

from rlvla.core.registry import Components
from rlvla.core.types import Field, SimulatorSpec
from rlvla.plugins import algorithms
from rlvla.plugins.algorithms.ppo import PPO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rlvla.core.interfaces import Policy

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
    ],
)
def test_options_out_of_range_are_explained(options: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        PPO(**options)


def test_ppo_learns_from_its_own_decisions_at_a_constant_rate() -> None:
    assert PPO().demonstrations == 0
    assert {PPO().lr_scale(update) for update in (0, 1, 1000)} == {1.0}


def test_algorithms_are_registered_and_load_no_torch() -> None:
    components = Components()
    algorithms.register(components)
    assert list(components.algorithms) == ["grpo", "ppo", "sft"]
    program = (
        "import sys, rlvla.plugins.algorithms.ppo, rlvla.plugins.algorithms.sft;"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
