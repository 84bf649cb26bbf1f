"""The scene as MJCF text: table, cubes, plate, cameras; the embodiment adds its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.plugins.simulators.tabletop.geometry import (
    CUBE,
    FINGER,
    OPENING,
    PALM,
    PLATE_HEIGHT,
    PLATE_RADIUS,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.plugins.simulators.tabletop import Color
    from rlvla.plugins.simulators.tabletop.embodiment import Body

PALETTE: dict[Color, tuple[float, float, float]] = {
    "red": (0.90, 0.10, 0.10),
    "green": (0.10, 0.72, 0.15),
    "blue": (0.12, 0.22, 0.95),
    "yellow": (0.98, 0.85, 0.05),
    "purple": (0.62, 0.12, 0.78),
    "cyan": (0.05, 0.80, 0.85),
}
"""The cubes' colours by the word that an instruction uses: RGB in [0, 1]."""

_SCENE = """
<mujoco model="tabletop">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.005" integrator="implicitfast" cone="elliptic" impratio="5"/>
  <visual>
    <quality shadowsize="{shadowsize}" offsamples="{offsamples}"/>
    <headlight ambient="0.45 0.45 0.45" diffuse="0.1 0.1 0.1" specular="0 0 0"/>
    <global offwidth="{size}" offheight="{size}"/>
  </visual>
  <worldbody>
    <light directional="true" pos="0 0 2" dir="-0.3 0.35 -1" diffuse="0.5 0.5 0.5"
           specular="0 0 0" castshadow="{castshadow}"/>
    <geom name="table" type="plane" size="0 0 0.1" rgba="0.62 0.60 0.57 1" friction="0.8"/>
    <camera name="top" pos="0 0 2" xyaxes="1 0 0 0 1 0" fovy="13.4"/>
    <camera name="front" pos="0 -0.8 0.6" xyaxes="1 0 0 0 0.54 0.84" fovy="34"/>
    {cubes}
    {plate}
    {body}
  </worldbody>
  <actuator>
    {actuators}
    {fingers}
  </actuator>
</mujoco>
"""

_CUBE = """
<body name="{name}" pos="0 0 {half}">
  <freejoint/>
  <geom name="{name}" type="box" size="{half} {half} {half}" mass="0.06" rgba="{rgba} 1"
        friction="0.8 0.01 0.001" condim="4"/>
</body>
"""

_PLATE = """
<body name="plate" mocap="true">
  <geom name="plate" type="cylinder" size="{radius} {half}" pos="0 0 {half}" rgba="1 1 1 1"/>
</body>
"""

_HAND = """
<geom type="box" size="0.045 0.007 0.006" rgba="0.13 0.13 0.15 1" mass="0.2"
      contype="0" conaffinity="0"/>
<camera name="wrist" pos="0 -0.07 0.02" xyaxes="1 0 0 0 0.87 0.5" fovy="75"/>
<site name="tip" pos="0 0 -{palm}"/>
{fingers}
"""

_FINGER = """
<body name="{name}" pos="{x} 0 {z}">
  <joint name="{name}" type="slide" axis="{side} 0 0" range="0 {opening}" damping="10"/>
  <geom type="box" size="{size}" rgba="0.25 0.25 0.28 1" mass="0.05" friction="1.5 0.01 0.001"
        condim="4"/>
</body>
"""

FINGERS = ("left_finger", "right_finger")
"""Names of the finger joints."""


def scene(
    colors: Sequence[Color], body: Body, *, has_plate: bool, size: int, has_shadows: bool
) -> str:
    """Return the MJCF of a table with one cube of each of `colors`, in this order."""
    plate = _PLATE.format(radius=PLATE_RADIUS, half=PLATE_HEIGHT / 2) if has_plate else ""
    return _SCENE.format(
        shadowsize=1024 if has_shadows else 0,
        offsamples=4 if has_shadows else 0,
        castshadow="true" if has_shadows else "false",
        size=size,
        cubes="".join(_cube(color) for color in colors),
        plate=plate,
        body=body.mjcf(_hand()),
        actuators=body.actuators,
        fingers="".join(_finger_servo(name) for name in FINGERS),
    )


def _cube(color: Color) -> str:
    rgba = " ".join(str(part) for part in PALETTE[color])
    return _CUBE.format(name=color, half=CUBE, rgba=rgba)


def _hand() -> str:
    sides = zip(FINGERS, (-1, 1), strict=True)
    return _HAND.format(palm=PALM, fingers="".join(_finger(name, side) for name, side in sides))


def _finger(name: str, side: int) -> str:
    size = " ".join(str(half) for half in FINGER)
    x, z = side * FINGER[0], FINGER[2] - PALM
    return _FINGER.format(name=name, side=side, x=x, z=z, size=size, opening=OPENING)


def _finger_servo(name: str) -> str:
    return (
        f'<position name="{name}" joint="{name}" kp="400" ctrlrange="0 {OPENING}" '
        f'forcerange="-12 12"/>'
    )
