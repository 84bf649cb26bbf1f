"""Each VLA family behind the server, asked in the messages of openpi's example clients."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from websockets.asyncio.client import connect

from rlvla.core.types import SimulatorSpec, encode_instruction
from rlvla.plugins.models.flow.sampling import FlowSampling
from rlvla.plugins.models.openvla import OpenVLA
from rlvla.plugins.models.openvla_oft import OpenVLAOFT
from rlvla.plugins.models.pi0 import Pi0, Pi05
from rlvla.plugins.serving.desk import Desk
from rlvla.plugins.serving.names import Convention, names_of
from rlvla.plugins.serving.packing import unpack
from rlvla.plugins.serving.reading import Reading
from rlvla.plugins.serving.server import Address, PolicyServer

if TYPE_CHECKING:
    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Array

msgpack: Any = importlib.import_module("msgpack")

SPEC = SimulatorSpec(
    cameras={"front": (32, 48), "hand": (32, 48)},
    proprio=8,
    action_low=(-1.0, -0.5, 0.0, -3.0, -3.0, -3.0, 10.0),
    action_high=(1.0, 0.5, 2.0, 3.0, 3.0, 3.0, 20.0),
    max_steps=5,
    control_hz=5.0,
)
ORIGIN = FlowSampling(start="origin")
FAMILIES: dict[str, Any] = {
    "pi0": Pi0(chunk=4, sampling=ORIGIN),
    "pi05": Pi05(chunk=4, sampling=ORIGIN),
    "openvla_oft": OpenVLAOFT(chunk=4),
    "openvla": OpenVLA(),
}
PIXELS = np.random.default_rng(0)
FRONT, HAND = PIXELS.integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)
STATE = np.linspace(-1, 1, 8)
WORDS = "pick up the cube"


def sent(value: object) -> object:
    """Return what openpi's client makes of an array, which msgpack has none of."""
    if not isinstance(value, np.ndarray):
        raise TypeError
    array = cast("Array", value)
    return {
        b"__ndarray__": True,
        b"data": array.tobytes(),
        b"dtype": array.dtype.str,
        b"shape": array.shape,
    }


MESSAGES: dict[Convention, dict[str, object]] = {
    "openpi": {
        "observation/image": FRONT,
        "observation/wrist_image": HAND,
        "observation/state": STATE,
        "prompt": WORDS,
    },
    "droid": {
        "observation/exterior_image_1_left": FRONT,
        "observation/wrist_image_left": HAND,
        "observation/joint_position": STATE[:7],
        "observation/gripper_position": STATE[7:],
        "prompt": WORDS,
    },
    "aloha": {
        "state": STATE,
        "images": {
            "cam_high": FRONT.transpose(2, 0, 1),
            "cam_left_wrist": HAND.transpose(2, 0, 1),
        },
        "prompt": WORDS,
    },
}


def decided(policy: Policy) -> Array:
    """Return what the policy says without a server."""
    row = {
        "image/front": FRONT[None],
        "image/hand": HAND[None],
        "proprio": STATE.astype(np.float32)[None],
        "privileged": np.zeros((1, 0), np.float32),
        "instruction": encode_instruction(WORDS)[None],
    }
    greedy = np.zeros(1, np.float32)
    return np.asarray(
        policy.act(row, seeds=np.zeros(1, np.uint64), temperature=greedy)["action"][0]
    )


def answers(policy: Policy, convention: Convention, *messages: dict[str, object]) -> list[Any]:
    """Return the answers of a server of the policy."""

    async def main() -> list[Any]:
        reading = Reading(SPEC, names_of(SPEC, convention))
        desk = Desk(policy, version=1, temperature=0, max_batch=4, seats=4)
        server, found = PolicyServer(desk, reading, {}), list[Any]()
        address = Address(host="127.0.0.1", port=0)
        async with desk.open(), server.listen(address) as port:
            url = f"ws://127.0.0.1:{port}"
            async with connect(url, compression=None, max_size=None) as robot:
                await robot.recv()
                for message in messages:
                    await robot.send(msgpack.packb(message, default=sent))
                    answer = await robot.recv()
                    found.append(answer if isinstance(answer, str) else unpack(answer))
        return found

    return asyncio.run(main())


@pytest.mark.parametrize("convention", MESSAGES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_client_gets_the_chunk_in_the_units_of_the_robot(
    family: str, convention: Convention
) -> None:
    policy = FAMILIES[family].build(SPEC, seed=0)
    (answer,) = answers(policy, convention, MESSAGES[convention])
    assert answer["actions"].shape == (1 if family == "openvla" else 4, 7)
    np.testing.assert_array_equal(answer["actions"], decided(policy))
    assert (answer["actions"][:, 6] >= 10).all()


@pytest.mark.parametrize(
    ("convention", "changed", "told"),
    [
        (
            "droid",
            {"observation/gripper_position": np.zeros(2)},
            "observation/joint_position + observation/gripper_position must be an array float32 "
            "[8], it is float64 [7], float64 [2]",
        ),
        ("droid", {"observation/gripper_position": 0.5}, "it is float64 [7], of type float"),
        ("aloha", {"images": {"cam_high": FRONT}}, "the observation lacks images/cam_left_wrist"),
        (
            "aloha",
            {"images": {"cam_high": FRONT[:, :3], "cam_left_wrist": HAND}},
            "images/cam_high must be an array uint8 [32, 48, 3], it is uint8 [32, 3, 3]",
        ),
    ],
)
def test_parts_that_do_not_fit_are_explained(
    convention: Convention, changed: dict[str, object], told: str
) -> None:
    policy = Pi0().build(SPEC, seed=0)
    message = {**MESSAGES[convention], **changed}
    wrong, right = answers(policy, convention, message, MESSAGES[convention])
    assert told in wrong
    assert "actions" in right
