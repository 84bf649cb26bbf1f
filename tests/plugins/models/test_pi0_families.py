"""openpi's recipes: what is done to states and actions, held to each step written out."""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from rlvla.core.types import SimulatorSpec, encode_instruction
from rlvla.plugins.models.flow.sampling import FlowSampling
from rlvla.plugins.models.pi0 import Pi0, Pi05
from rlvla.plugins.models.pi0.checkpoint import save_checkpoint
from rlvla.plugins.models.pi0.interface import interface_of
from rlvla.plugins.models.pi0.robots import Aloha

if TYPE_CHECKING:
    from rlvla.core.types import Array
    from rlvla.plugins.models.pi0.conventions import Family

FIXTURES = Path(__file__).parent / "parity"
JOINTS = [*range(6), *range(7, 13)]
ROBOT = SimulatorSpec(
    cameras={"cam_high": (32, 32)},
    proprio=14,
    action_low=(-1e9,) * 14,
    action_high=(1e9,) * 14,
    max_steps=10,
    control_hz=50.0,
)
MEAN, STD = np.linspace(-0.5, 0.5, 14), np.linspace(0.2, 2.0, 14)
CAMERAS = {"cam_high": "base_0_rgb"}


@pytest.fixture(name="checkpoint", params=["pi0", "pi05"])
def _checkpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Pi0:
    """A checkpoint of openpi whose files do not tell the length of its chunks."""
    path = tmp_path / "openpi"
    (path / "assets" / "trossen").mkdir(parents=True)
    config = json.loads((FIXTURES / request.param / "config.json").read_text())
    del config["action_horizon"]
    (path / "config.json").write_text(json.dumps(config))
    packed = (FIXTURES / request.param / "model.safetensors.gz").read_bytes()
    (path / "model.safetensors").write_bytes(gzip.decompress(packed))
    entry = {"mean": MEAN.tolist(), "std": STD.tolist()}
    entry |= {"q01": (MEAN - STD).tolist(), "q99": (MEAN + STD).tolist()}
    stats = {"norm_stats": {"state": entry, "actions": entry}}
    (path / "assets" / "trossen" / "norm_stats.json").write_text(json.dumps(stats))
    words = Tokenizer(WordLevel({"<bos>": 2, "a": 3, "?": 4}, unk_token="?"))
    words.save(str(path / "tokenizer.json"))
    kind = Pi05 if request.param == "pi05" else Pi0
    return kind(checkpoint=str(path), cameras=CAMERAS, sampling=FlowSampling(stochastic="all"))


def rows() -> dict[str, Array]:
    random = np.random.default_rng(0)
    return {
        "image/cam_high": random.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8),
        "proprio": random.uniform(0.1, 0.9, (2, 14)).astype(np.float32),
        "instruction": np.stack([encode_instruction("a b")] * 2),
    }


def decided(policy: Any) -> dict[str, Array]:  # noqa: ANN401 - of either kind
    seeds, heat = np.arange(2, dtype=np.uint64), np.ones(2, np.float32)
    return dict(policy.act(rows(), seeds=seeds, temperature=heat))


def alone(gripper: float) -> Array:
    """Return numbers of a robot of which only a gripper is not 0."""
    numbers = np.zeros(14)
    numbers[13] = gripper
    return numbers


@given(st.floats(0.55, 1.5))
def test_a_fingers_way_becomes_the_angle_that_moved_it(angle: float) -> None:
    # The horn's end is 0.022 m from the motor, the arm between it and the finger 0.036 m long.
    across = 0.022 * math.cos(angle)
    way = 0.022 * math.sin(angle) + math.sqrt(0.036**2 - across**2)
    state = Aloha().state(alone((way - 0.01844) / (0.05800 - 0.01844)))
    assert state[13] == pytest.approx((angle - 0.5476) / (1.6296 - 0.5476), abs=1e-9)


def test_a_way_that_no_angle_makes_is_that_of_the_last_one() -> None:
    top = Aloha().state(alone(1.2))[13]
    assert top == pytest.approx((math.pi / 2 - 0.5476) / (1.6296 - 0.5476))


def test_gripper_actions_are_radians_above_closed() -> None:
    closed = (0.5476 + 0.6213) / (1.4910 + 0.6213)
    np.testing.assert_allclose(Aloha().executed(alone(0.0))[[6, 13]], closed)
    np.testing.assert_allclose(Aloha().taught(alone(1.0))[13], 1.4910 - 0.5476)


def test_joints_that_turn_the_other_way_change_their_sign() -> None:
    state = Aloha().state(np.ones(14, np.float32))
    assert [i for i in JOINTS if state[i] == -1] == [1, 2, 8, 9]
    assert [i for i in JOINTS if state[i] == 1] == [0, 3, 4, 5, 7, 10, 11, 12]


def test_what_is_taught_is_what_is_executed() -> None:
    actions = np.random.default_rng(0).standard_normal((2, 3, 14))
    np.testing.assert_allclose(Aloha().executed(Aloha().taught(actions)), actions)


def test_aloha_is_decided_as_openpi_does_step_by_step(checkpoint: Pi0) -> None:
    options = replace(checkpoint, family="aloha", chunk=3)
    policy = options.build(ROBOT, seed=0)
    made = decided(policy)
    unit = made["chain"][:, -1, :3, :14].astype(np.float64)
    size = STD + 1e-6 if not options.adaptive else (2 * STD + 1e-6) / 2
    shift = MEAN if not options.adaptive else MEAN - STD + size
    unnormalised = unit * size + shift
    state = Aloha().state(rows()["proprio"])
    unnormalised[..., JOINTS] += state[:, None, JOINTS]
    np.testing.assert_allclose(made["action"], Aloha().executed(unnormalised), atol=1e-4)
    normalised = (state - shift) / size
    seen = policy.see(rows()).state.numpy()
    np.testing.assert_allclose(seen[:, :14], normalised, atol=1e-5)
    assert not seen[:, 14:].any()


def test_aloha_is_taught_what_another_robot_with_the_models_numbers_is(checkpoint: Pi0) -> None:
    ours = replace(checkpoint, family="aloha", chunk=3).build(ROBOT, seed=0)
    other = replace(checkpoint, horizon=50, chunk=3).build(ROBOT, seed=0)
    action = np.random.default_rng(0).uniform(0, 1, (2, 3, 14)).astype(np.float32)
    state, meant = Aloha().state(rows()["proprio"]), Aloha().taught(action)
    meant[..., JOINTS] -= state[:, None, JOINTS]
    theirs = {"proprio": state.astype(np.float32), "action": meant.astype(np.float32)}
    losses = [
        policy.imitate(rows() | taught).detach()
        for policy, taught in ((ours, {"action": action}), (other, theirs))
    ]
    torch.testing.assert_close(*losses, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("family", "horizons", "relative", "discrete"),
    [
        ("base", (50, 50), (), True),
        ("libero", (50, 10), (*range(6),), False),
        ("droid", (10, 15), (), True),
        ("aloha", (50, 50), (*JOINTS,), True),
    ],
)
def test_families_are_the_recipes_of_openpi(
    checkpoint: Pi0,
    family: Family,
    horizons: tuple[int, int],
    relative: tuple[int, ...],
    discrete: bool,
) -> None:
    is_pi05 = checkpoint.adaptive
    made = interface_of(replace(checkpoint, family=family), ROBOT)
    assert made.horizon == horizons[is_pi05]
    assert made.relative == (() if is_pi05 and family == "libero" else relative)
    assert made.discrete == (is_pi05 and discrete)
    assert made.robot == ("aloha" if family == "aloha" else "plain")


def test_options_win_over_the_family(checkpoint: Pi0) -> None:
    simulated = replace(checkpoint, family="aloha", relative=[], horizon=7)
    made = interface_of(simulated, ROBOT)
    assert (made.relative, made.horizon, made.robot) == ((), 7, "aloha")
    if isinstance(checkpoint, Pi05):
        told = replace(checkpoint, family="libero", discrete_state_input=True)
        assert interface_of(told, ROBOT).discrete


@pytest.mark.parametrize("family", ["aloha", "libero"])
def test_a_checkpoint_of_ours_remembers_its_family(
    checkpoint: Pi0, tmp_path: Path, family: Family
) -> None:
    options = replace(checkpoint, family=family)
    policy = options.build(ROBOT, seed=0)
    save_checkpoint(policy, tmp_path / "ours")
    (tmp_path / "theirs").mkdir()
    options.exports["openpi"].write(policy, tmp_path / "theirs")
    for folder in ("ours", "theirs"):
        again = replace(checkpoint, checkpoint=str(tmp_path / folder)).build(ROBOT, seed=1)
        assert replace(again.reading.interface, vision_heads=None) == replace(
            policy.reading.interface, vision_heads=None
        )
        np.testing.assert_allclose(decided(again)["action"], decided(policy)["action"], atol=1e-5)


def test_a_family_that_does_not_fit_is_one_clear_error(checkpoint: Pi0, tmp_path: Path) -> None:
    arm = replace(ROBOT, proprio=8, action_low=(-1.0,) * 7, action_high=(1.0,) * 7)
    with pytest.raises(ValueError, match="family aloha has 14 numbers in states and actions, the "):
        interface_of(replace(checkpoint, family="aloha"), arm)
    with pytest.raises(ValueError, match="or family the recipe that says so"):
        interface_of(checkpoint, ROBOT)
    with pytest.raises(ValueError, match="family droid says what the files of a checkpoint do not"):
        Pi0(family="droid")
    policy = replace(checkpoint, family="aloha", relative=[]).build(ROBOT, seed=0)
    with pytest.raises(ValueError, match="the numbers of aloha have no form in lerobot's files"):
        checkpoint.exports["lerobot"].write(policy, tmp_path)
