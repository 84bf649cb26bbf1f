"""The episodes that lanes play, from the first action to the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rlvla.core.types import StepResult
from rlvla.plugins.simulators.gymnasium.actions import actions_of
from rlvla.plugins.simulators.gymnasium.environment import make
from rlvla.plugins.simulators.gymnasium.view import View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rlvla.core.types import Observation, Start
    from rlvla.plugins.simulators.gymnasium import Gymnasium

RESTARTED = ("final_obs", "final_observation")
"""Under which one that has begun the next episode says what it observed last of this one."""


class Episodes:
    """Those of all lanes, an environment each; see `Simulator` for the calls."""

    def __init__(self, options: Gymnasium, lanes: int) -> None:
        self._options = options
        self._made = [make(options) for _ in range(lanes)]
        self._view = View(options, self._made[0])
        self._take = actions_of(self._made[0].action_space, options.env).take
        self._playing = set[int]()

    def reset(self, lane: int, start: Start) -> Observation:
        """Begin the episode whose seed is a function of `start` alone."""
        env, told = self._made[lane], self._options.reset_options
        observed, _ = env.reset(seed=_seed(start), options=told or None)
        self._playing.add(lane)
        return self._view.of(env, observed)

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        """Execute `actions`, float32 [C, D], up to the episode's end."""
        if lane not in self._playing:
            # Many environments would play on, and those that reset themselves play nothing.
            raise RuntimeError(f"lane {lane} is at its episode's end; reset it first")
        env, take = self._made[lane], self._take
        reward = np.zeros(len(actions), np.float32)
        terminated, truncated, valid = np.zeros((3, len(actions)), np.bool_)
        observed, info = None, dict[str, Any]()
        for at, action in enumerate(actions):
            observed, reward[at], is_end, is_cut, info = env.step(take(action))
            valid[at] = True
            terminated[at] = is_end or (self._options.on_success == "end" and _succeeded(info))
            truncated[at] = is_cut and not terminated[at]
            if terminated[at] or truncated[at]:
                self._end(lane, info)
                break
        seen = self._view.of(env, observed)
        return StepResult(seen, reward, terminated, truncated, valid, _succeeded(info))

    def close(self) -> None:
        """Close them."""
        for env in self._made:
            env.close()

    def _end(self, lane: int, info: Mapping[str, Any]) -> None:
        self._playing.discard(lane)
        said = next((name for name in RESTARTED if name in info), None)
        if said is not None:
            raise RuntimeError(
                f"env {self._options.env!r} resets itself at an episode's end, as {said!r} in its "
                "info tells: leave out the wrapper or option that makes it do so"
            )


def _succeeded(info: Mapping[str, Any]) -> bool:
    """Return whether an environment says that the task is achieved now."""
    return bool(info.get("is_success") or info.get("success"))


def _seed(start: Start) -> int:
    entropy = (start.split == "eval", abs(start.seed), start.index)
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])
