"""The live simulator: one compiled model, one `MjData` and one episode for each lane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.types import Observation, StepResult
from rlvla.plugins.simulators.tabletop import engine, expert, observation, render
from rlvla.plugins.simulators.tabletop.embodiment import BODIES, DRIVERS
from rlvla.plugins.simulators.tabletop.geometry import (
    CUBE,
    HIGHEST,
    OPENING,
    REACH_XY,
    STEP,
)
from rlvla.plugins.simulators.tabletop.scene import FINGERS, scene
from rlvla.plugins.simulators.tabletop.starts import Layout, draw
from rlvla.plugins.simulators.tabletop.tasks import (
    LOWEST,
    State,
    achieved,
    instruction,
    potential,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Start
    from rlvla.plugins.simulators.tabletop import Tabletop
    from rlvla.plugins.simulators.tabletop.engine import Data

SUBSTEPS = 20
"""Physics steps of 5 ms per action."""
_RAMP = 4
"""Pieces into which an action's motion is cut; the last is spent at rest."""


@dataclass
class _Episode:
    layout: Layout
    words: str
    steps: int
    potential: float
    is_over: bool


class Lanes:
    """Steps `lanes` lanes that share a model and a renderer; see `Simulator` for the calls."""

    def __init__(self, options: Tabletop, lanes: int) -> None:
        backend = render.choose(options.render) if options.shown_cameras else "ray"
        mujoco = engine.load() if backend == "ray" else engine.load_with(backend)
        self._options = options
        self._mujoco = mujoco
        self._model = mujoco.MjModel.from_xml_string(
            scene(
                options.colors,
                BODIES[options.embodiment],
                has_plate=options.has_plate,
                size=options.size,
                has_shadows=options.shadows,
            )
        )
        self._data = [mujoco.MjData(self._model) for _ in range(lanes)]
        self._driver = DRIVERS[options.embodiment](mujoco, self._model)
        self._renderer = render.build(backend, mujoco, self._model, size=options.size)
        self._episodes: dict[int, _Episode] = {}
        self._cubes = [self._model.body(color).id for color in options.colors]
        self._tip = self._model.site("tip").id
        self._fingers = [int(self._model.joint(name).qposadr[0]) for name in FINGERS]

    def reset(self, lane: int, start: Start) -> Observation:
        """Begin the episode of `start`."""
        options = self._options
        if start.task not in options.tasks:
            raise ValueError(f"task is one of {', '.join(options.tasks)}, got {start.task!r}")
        return self.place(lane, draw(start, cubes=len(options.colors), has_plate=options.has_plate))

    def place(self, lane: int, layout: Layout) -> Observation:
        """Begin an episode at `layout`."""
        data = self._data[lane]
        self._mujoco.mj_resetData(self._model, data)
        for color, spot, yaw in zip(self._options.colors, layout.cubes, layout.yaw, strict=True):
            pose = (*spot, CUBE, np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2))
            data.qpos[self._address(color)] = pose
        if self._options.has_plate:
            data.mocap_pos[0] = (*layout.plate, 0.0)
        self._driver.place(data, layout.tip)
        data.qpos[self._fingers] = OPENING
        data.ctrl[-2:] = OPENING
        self._mujoco.mj_forward(self._model, data)
        words = instruction(layout.goal, self._options.colors[layout.goal.cube])
        episode = _Episode(layout, words, 0, 0.0, is_over=False)
        self._episodes[lane] = episode
        episode.potential = potential(layout.goal, self.state(lane))
        return self._observe(lane)

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        """Execute `actions`, float32 [C, 4], up to the episode's end."""
        episode = self._episodes[lane]
        if episode.is_over:
            raise RuntimeError(f"lane {lane} is at its episode's end; reset it first")
        if actions.shape[1:] != (4,) or not np.isfinite(actions).all():
            raise ValueError(f"actions must be finite and [C, 4], got {actions.tolist()}")
        reward = np.zeros(len(actions), np.float32)
        terminated, truncated, valid = np.zeros((3, len(actions)), np.bool_)
        for at, action in enumerate(actions):
            valid[at] = True
            reward[at], terminated[at] = self._advance(lane, action)
            truncated[at] = not terminated[at] and episode.steps >= self._limit(episode)
            if terminated[at] or truncated[at]:
                episode.is_over = True
                break
        success = bool(terminated.any())
        return StepResult(self._observe(lane), reward, terminated, truncated, valid, success)

    def expert(self, lane: int) -> NDArray[np.float32]:
        """Return the scripted expert's next action, float32 [4]."""
        return expert.act(self._episodes[lane].layout.goal, self.state(lane))

    def state(self, lane: int) -> State:
        """Return where things are now."""
        data, layout = self._data[lane], self._episodes[lane].layout
        heights = np.full((len(layout.cubes), 1), CUBE)
        return State(
            tip=data.site_xpos[self._tip].copy(),
            opening=float(data.qpos[self._fingers].mean()) / OPENING,
            cubes=data.xpos[self._cubes].copy(),
            plate=np.append(layout.plate, 0.0),
            origins=np.hstack([layout.cubes, heights]),
        )

    def close(self) -> None:
        """Release the renderer."""
        self._renderer.close()
        self._episodes.clear()

    def _address(self, color: str) -> slice:
        first = int(self._model.jnt_qposadr[self._model.body(color).jntadr[0]])
        return slice(first, first + 7)

    def _limit(self, episode: _Episode) -> int:
        return self._options.limit(episode.layout.goal.task)

    def _advance(self, lane: int, action: NDArray[np.float32]) -> tuple[float, bool]:
        """Execute one action; return its reward and whether it achieved the task."""
        episode = self._episodes[lane]
        lowest = LOWEST[episode.layout.goal.task]
        self._move(self._data[lane], np.clip(action, -1.0, 1.0).astype(np.float64), lowest)
        episode.steps += 1
        state, goal = self.state(lane), episode.layout.goal
        success = achieved(goal, state)
        before, episode.potential = episode.potential, potential(goal, state)
        gain = episode.potential - before if self._options.reward == "shaped" else 0.0
        return float(success) + gain, success

    def _move(self, data: Data, action: NDArray[np.float64], lowest: float) -> None:
        tip = data.site_xpos[self._tip].copy()
        bounds = (-REACH_XY, -REACH_XY, lowest), (REACH_XY, REACH_XY, HIGHEST)
        target = np.clip(tip + STEP * action[:3], *bounds)
        data.ctrl[-2:] = OPENING * (1.0 - action[3]) / 2
        for piece in range(1, _RAMP + 1):
            share = min(piece / (_RAMP - 1), 1.0)
            self._driver.command(data, tip + share * (target - tip))
            self._mujoco.mj_step(self._model, data, SUBSTEPS // _RAMP)
        self._mujoco.mj_kinematics(self._model, data)
        self._mujoco.mj_camlight(self._model, data)

    def _observe(self, lane: int) -> Observation:
        options, data, episode = self._options, self._data[lane], self._episodes[lane]
        state = self.state(lane)
        table = observation.table(state, has_plate=options.has_plate)
        hints = observation.goal_hints(episode.layout.goal, state, options.tasks)
        return Observation(
            images={name: self._renderer.render(data, name) for name in options.shown_cameras},
            proprio=table if options.observation == "state" else observation.hand(state),
            instruction=episode.words,
            privileged=np.concatenate([table, hints]),
        )
