from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from rlvla.core.testing.model import check_model
from rlvla.plugins.algorithms.ppo import PPO
from rlvla.plugins.models.cnn import CNN
from rlvla.plugins.models.mlp import MLP
from rlvla.plugins.models.noise import normal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Array, SimulatorSpec

    Make = Callable[[int], dict[str, Array]]

ROWS = 40
SEEDS = np.arange(ROWS, dtype=np.uint64) + 2**63
MODELS = pytest.mark.parametrize("model", [MLP(), MLP(hidden=[8], log_std=-1.5), CNN(channels=4)])


def act(policy: Policy, rows: dict[str, Array], temperature: float) -> dict[str, Array]:
    return dict(policy.act(rows, seeds=SEEDS, temperature=np.full(ROWS, temperature, np.float32)))


def test_temperature_scales_the_noise_alone(spec: SimulatorSpec, observations: Make) -> None:
    policy, rows = MLP().build(spec, seed=0), observations(ROWS)
    mean, half, whole = (act(policy, rows, heat)["sample"] for heat in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(half - mean, (whole - mean) / 2, atol=1e-5)
    assert 0.8 < np.std(whole - mean) < 1.2


def test_a_seed_alone_decides_its_noise() -> None:
    seeds = np.array([0, 1, 2**64 - 1], np.uint64)
    whole = normal(seeds, 3)
    assert np.isfinite(whole).all()
    assert whole.dtype == np.float32
    assert len(np.unique(whole)) == whole.size
    np.testing.assert_array_equal(normal(seeds[1:2], 3), whole[1:2])


def test_imitation_is_half_the_squared_distance(spec: SimulatorSpec, observations: Make) -> None:
    policy, rows = MLP().build(spec, seed=0), observations(ROWS)
    mean = act(policy, rows, 0.0)["sample"]
    shift = np.array([1, 2, 0, 0], np.float32)
    losses = policy.imitate({**rows, "action": mean + shift})
    np.testing.assert_allclose(losses.detach(), (1 + 4) / 2 / 4, rtol=1e-4)


def test_layers_begin_orthogonal(spec: SimulatorSpec) -> None:
    module = MLP(hidden=[16, 16]).build(spec, seed=3).module
    gains = {"actor.2.weight": 2.0, "value_head.2.weight": 2.0, "value_head.4.weight": 1.0}
    for name, square in {**gains, "actor.4.weight": 0.01**2}.items():
        weight = module.get_parameter(name).detach()
        torch.testing.assert_close(weight @ weight.T, square * torch.eye(len(weight)))


def test_building_leaves_the_random_numbers_of_others_alone(spec: SimulatorSpec) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    MLP().build(spec, seed=1)
    CNN().build(spec, seed=1)
    assert torch.equal(torch.rand(3), expected)


@MODELS
def test_a_saved_policy_can_be_begun_with(
    model: MLP | CNN, spec: SimulatorSpec, observations: Make, tmp_path: Path
) -> None:
    policy, rows = model.build(spec, seed=1), observations(ROWS)
    policy.save(str(tmp_path))
    again = replace(model, checkpoint=str(tmp_path)).build(spec, seed=2)
    for name, one in act(policy, rows, 1.0).items():
        np.testing.assert_array_equal(act(again, rows, 1.0)[name], one)


def test_the_critic_has_the_learning_rate_of_critics(spec: SimulatorSpec) -> None:
    module = MLP().build(spec, seed=0).module
    _, critic = PPO(lr=0.1, value_lr=0.2).parameter_groups(module)
    own = [one for name, one in module.named_parameters() if name.startswith("value_head.")]
    assert critic["params"] == own
    assert len(own) == 6


def test_the_images_of_all_cameras_matter(spec: SimulatorSpec, observations: Make) -> None:
    pair = replace(spec, cameras={"top": (32, 32), "side": (32, 32)})
    rows = observations(ROWS)
    rows["image/side"] = rows["image/top"][::-1].copy()
    policy = CNN(channels=4).build(pair, seed=0)
    for name in ("image/top", "image/side"):
        changed = {**rows, name: 255 - rows[name]}
        assert not torch.allclose(policy.value(changed), policy.value(rows))


@pytest.mark.parametrize("size", [(20, 20), (21, 64), (64, 27)])
def test_images_of_every_size_are_seen(spec: SimulatorSpec, size: tuple[int, int]) -> None:
    check_model(CNN(channels=2, width=8), replace(spec, cameras={"top": size}))


@pytest.mark.parametrize(
    "cameras", [{}, {"top": (19, 64)}, {"top": (32, 32), "side": (32, 64)}], ids=repr
)
def test_unfit_cameras_are_refused(
    spec: SimulatorSpec, cameras: dict[str, tuple[int, int]]
) -> None:
    with pytest.raises(ValueError, match="cnn needs cameras of one size, at least 20x20"):
        CNN().decision_fields(replace(spec, cameras=cameras))


def test_describing_them_needs_no_torch() -> None:
    code = (
        "import sys; from rlvla.plugins.models import cnn, mlp;"
        "cnn.CNN(), mlp.MLP(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
