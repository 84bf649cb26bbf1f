"""Between a robot's own numbers and those that openpi's models of it were trained on.

ALOHA's joints turn the other way in places, and its grippers are fractions of a finger's way where
the models have fractions of a motor's angle (openpi's `AlohaInputs` and `AlohaOutputs` with
`adapt_to_pi`). Imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Array, SimulatorSpec

    Numbers: TypeAlias = NDArray[np.float64]

Robot: TypeAlias = Literal["plain", "aloha"]


class Frame(Protocol):
    """How the numbers of a robot become those of its model and back; all are [..., n]."""

    def state(self, state: Array) -> Numbers:
        """Return the model's state of the robot's."""
        ...

    def taught(self, actions: Array) -> Numbers:
        """Return the model's actions of the robot's."""
        ...

    def executed(self, actions: Numbers) -> Numbers:
        """Return the robot's actions of the model's."""
        ...


class Plain:
    """They are the same."""

    def state(self, state: Array) -> Numbers:
        """Return them."""
        return np.asarray(state, np.float64)

    def taught(self, actions: Array) -> Numbers:
        """Return them."""
        return np.asarray(actions, np.float64)

    def executed(self, actions: Numbers) -> Numbers:
        """Return them."""
        return actions


class Aloha:
    """Two arms with six joints and a gripper each."""

    size = 14
    grippers = (6, 13)
    signs = np.array([1, -1, -1, 1, 1, 1, 1] * 2, np.float64)
    way = (0.01844, 0.05800)
    """Of a finger, closed and open, in metres."""
    arm, horn = 0.036, 0.022
    """Lengths of the linkage that turns the motor's angle into the finger's way, in metres."""
    angles = (0.5476, 1.6296)
    """Of the motor that are 0 and 1 in a state, in radians."""
    commands = (-0.6213, 1.4910)
    """Angles that are 0 and 1 in an action of the robot, in radians."""

    def state(self, state: Array) -> Numbers:
        """Turn joints, and the fingers' ways into angles."""
        turned = state * self.signs
        closed, opened = self.way
        position = closed + turned[..., self.grippers] * (opened - closed)
        sine = (self.horn**2 + position**2 - self.arm**2) / (2 * self.horn * position)
        low, high = self.angles
        turned[..., self.grippers] = (np.arcsin(np.clip(sine, -1, 1)) - low) / (high - low)
        return turned

    def taught(self, actions: Array) -> Numbers:
        """Turn joints, and grippers into radians above the angle that is 0 in a state."""
        turned = actions * self.signs
        low, high = self.commands
        turned[..., self.grippers] = low + turned[..., self.grippers] * (high - low)
        turned[..., self.grippers] -= self.angles[0]
        return turned

    def executed(self, actions: Numbers) -> Numbers:
        """Do what `taught` did the other way round."""
        turned = actions * self.signs
        low, high = self.commands
        angles = turned[..., self.grippers] + self.angles[0]
        turned[..., self.grippers] = (angles - low) / (high - low)
        return turned


def frame_of(robot: Robot) -> Frame:
    """Return the frame of a robot."""
    return Aloha() if robot == "aloha" else Plain()


def refuse_other(robot: Robot, spec: SimulatorSpec) -> None:
    """Raise ValueError if a simulator is not of the robot."""
    sizes = {spec.proprio, spec.action_dim}
    if robot == "aloha" and sizes != {Aloha.size}:
        raise ValueError(
            f"family aloha has {Aloha.size} numbers in states and actions, the simulator has "
            f"{spec.proprio} and {spec.action_dim}"
        )
