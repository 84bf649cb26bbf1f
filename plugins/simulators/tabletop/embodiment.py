"""What carries the hand: a gantry of three slides, or an arm of seven joints.

Both hold the hand upright and take the same command, a position for the fingertips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rlvla.plugins.simulators.tabletop.geometry import HAND_START_Z, PALM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.plugins.simulators.tabletop import EmbodimentName
    from rlvla.plugins.simulators.tabletop.engine import Data, Model, MuJoCo


@dataclass(frozen=True)
class Body:
    """The MJCF of what carries the hand."""

    tree: str
    """Bodies, with `{hand}` where the hand is mounted."""
    actuators: str
    """Position servos, one for each joint, in the order of the joints."""

    def mjcf(self, hand: str) -> str:
        """Return the bodies with `hand` mounted."""
        return self.tree.replace("{hand}", hand)


class Embodiment(Protocol):
    """Moves the hand of one model; its `MjData` are given with each call."""

    def place(self, data: Data, tip: NDArray[np.float64]) -> None:
        """Put the joints where the fingertips are at `tip`, at rest."""
        ...

    def command(self, data: Data, tip: NDArray[np.float64]) -> None:
        """Set the servos so that the fingertips move to `tip`."""
        ...


_AXES = {"x": "1 0 0", "y": "0 1 0", "z": "0 0 1"}

GANTRY = Body(
    tree='<body name="hand" gravcomp="1">'
    + "".join(f'<joint name="{n}" type="slide" axis="{axis}"/>' for n, axis in _AXES.items())
    + "{hand}</body>",
    actuators="".join(f'<position joint="{n}" kp="2500" kv="60"/>' for n in _AXES),
)


class Gantry:
    """Three slides, whose positions are those of the hand."""

    def __init__(self, mujoco: MuJoCo, model: Model) -> None:
        del mujoco
        self._joints = [int(model.joint(name).qposadr[0]) for name in _AXES]

    def place(self, data: Data, tip: NDArray[np.float64]) -> None:
        """See `Embodiment.place`."""
        data.qpos[self._joints] = tip + np.array([0.0, 0.0, PALM])
        self.command(data, tip)

    def command(self, data: Data, tip: NDArray[np.float64]) -> None:
        """See `Embodiment.command`."""
        data.ctrl[:3] = tip + np.array([0.0, 0.0, PALM])


_LINKS = (
    ("0 0.42 0.2", "0 0 1", "0 0 0 0 0 0.08"),
    ("0 0 0.08", "1 0 0", ""),
    ("0 0 0", "0 0 1", "0 0 0 0 0 0.33"),
    ("0 0 0.33", "1 0 0", ""),
    ("0 0 0", "0 0 1", "0 0 0 0 0 0.31"),
    ("0 0 0.31", "1 0 0", "0 0 0 0 0 0.04"),
    ("0 0 0.06", "0 0 1", ""),
)
"""Of each joint: where its body is mounted, its axis, and the capsule that is drawn."""

_HOME = np.array([0.0, 0.3, 0.0, 1.7, 0.0, 1.14, 0.0])
"""A posture with the elbow up and the hand over the table, in radians."""


def _link(number: int) -> str:
    place, axis, capsule = _LINKS[number]
    drawn = (
        f'<geom type="capsule" fromto="{capsule}" size="0.014" rgba="0.35 0.35 0.38 1" '
        f'mass="0.4" contype="0" conaffinity="0"/>'
        if capsule
        else '<inertial pos="0 0 0" mass="0.1" diaginertia="1e-4 1e-4 1e-4"/>'
    )
    return (
        f'<body name="link{number}" pos="{place}" gravcomp="1">'
        f'<joint name="j{number}" axis="{axis}" armature="0.05"/>{drawn}'
    )


ARM = Body(
    tree="".join(_link(number) for number in range(len(_LINKS)))
    + '<body name="hand" quat="0 1 0 0" pos="0 0 0" gravcomp="1">{hand}</body>'
    + "</body>" * len(_LINKS),
    actuators="".join(
        f'<position joint="j{number}" kp="600" kv="12"/>' for number in range(len(_LINKS))
    ),
)


class Arm:
    """Seven hinges, commanded by damped least squares (Wampler 1986) with a posture bias."""

    def __init__(self, mujoco: MuJoCo, model: Model) -> None:
        self._mujoco = mujoco
        self._model = model
        self._ghost = mujoco.MjData(model)
        self._site = model.site("tip").id
        self._joints = [int(model.joint(f"j{n}").qposadr[0]) for n in range(len(_LINKS))]
        self._dofs = [int(model.joint(f"j{n}").dofadr[0]) for n in range(len(_LINKS))]
        self._jacobian = np.zeros((6, model.nv))
        self._upright = np.eye(3)
        self._rest = self._solve(_HOME, np.array([0.0, 0.0, HAND_START_Z]), rounds=300)

    def place(self, data: Data, tip: NDArray[np.float64]) -> None:
        """See `Embodiment.place`."""
        joints = self._solve(self._rest, tip, rounds=60)
        data.qpos[self._joints] = joints
        data.ctrl[: len(joints)] = joints

    def command(self, data: Data, tip: NDArray[np.float64]) -> None:
        """See `Embodiment.command`."""
        count = len(self._joints)
        data.ctrl[:count] = self._solve(data.ctrl[:count].copy(), tip, rounds=2)

    def _solve(
        self, joints: NDArray[np.float64], tip: NDArray[np.float64], *, rounds: int
    ) -> NDArray[np.float64]:
        for _ in range(rounds):
            joints = joints + self._improve(joints, tip)
        return joints

    def _improve(
        self, joints: NDArray[np.float64], tip: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        ghost, model = self._ghost, self._model
        ghost.qpos[self._joints] = joints
        self._mujoco.mj_kinematics(model, ghost)
        self._mujoco.mj_comPos(model, ghost)
        self._mujoco.mj_jacSite(model, ghost, self._jacobian[:3], self._jacobian[3:], self._site)
        jacobian = self._jacobian[:, self._dofs]
        error = np.concatenate([tip - ghost.site_xpos[self._site], self._tilt()])
        inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + 1e-4 * np.eye(6))
        bias = 0.05 * (_HOME - joints)
        change: NDArray[np.float64] = inverse @ error + bias - inverse @ (jacobian @ bias)
        return np.clip(change, -0.3, 0.3)

    def _tilt(self) -> NDArray[np.float64]:
        """Return the rotation vector, for small angles, that brings the hand upright."""
        rotation = self._ghost.site_xmat[self._site].reshape(3, 3)
        tilt: NDArray[np.float64] = 0.5 * np.cross(rotation, self._upright, axis=0).sum(axis=1)
        return tilt


BODIES: dict[EmbodimentName, Body] = {"gantry": GANTRY, "arm": ARM}
DRIVERS: dict[EmbodimentName, type[Gantry] | type[Arm]] = {"gantry": Gantry, "arm": Arm}
