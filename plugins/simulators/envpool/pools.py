"""The pools of the package, one of a single environment for each episode."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvla.core.types import Observation, StepResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from rlvla.core.types import Array, Start
    from rlvla.plugins.simulators.envpool import EnvPool

SUCCESS = ("success", "is_success")
"""Under one of these names an environment says whether its task is achieved."""


def described(options: EnvPool) -> tuple[list[Any], Any, int]:
    """Return the spaces of what is shown, that of an action, and the time limit.

    Raises RuntimeError if the package is not installed, ValueError if the environment is not one
    of states and vectors.
    """
    package, env = _package(), options.env
    if env not in package.list_all_envs():
        raise ValueError(f"env: EnvPool has no environment {env!r}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # bounds of actions lose precision as float32
        try:
            told = package.make_spec(env, **options.kwargs)
        except (TypeError, AssertionError, ValueError) as error:
            raise ValueError(f"kwargs do not fit env {env!r}: {error}") from error
        shown, taken = told.gymnasium_observation_space, told.gymnasium_action_space
    boxes = [*_leaves(shown)]
    if any(box.dtype == np.uint8 or len(box.shape) > 1 for box in boxes):
        raise ValueError(f"env {env!r} shows images, of which envpool takes only states")
    low = getattr(taken, "low", None)
    if low is None or low.ndim != 1 or not np.isfinite([low, taken.high]).all():
        raise ValueError(f"env {env!r} must take a bounded vector of numbers, it takes {taken}")
    return boxes, taken, options.max_steps or int(told.config.max_episode_steps)


def seed(start: Start) -> int:
    """Return the seed of a start, 31 bits: even for training, odd for evaluation."""
    entropy = (start.split == "eval", abs(start.seed), start.index)
    drawn = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    return 2 * (drawn >> 2) + (start.split == "eval")


@dataclass
class Episode:
    """What a lane plays."""

    pool: Any
    shown: NDArray[np.float32]
    success: bool = False
    is_over: bool = False


class Pools:
    """Plays episodes; see `BatchSimulator` for the calls."""

    def __init__(self, options: EnvPool) -> None:
        self._options = options
        self._spec = options.spec
        self._package = _package()
        self._dtype = described(options)[1].dtype
        self._episodes: dict[int, Episode] = {}

    def reset(self, lane: int, start: Start) -> Observation:
        """Begin an episode in one lane."""
        return self.reset_batch([lane], [start])[0]

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        """Execute a chunk in one lane, float32 [C, D]."""
        return self.step_batch([lane], actions[None])[0]

    def reset_batch(self, lanes: Sequence[int], starts: Sequence[Start]) -> list[Observation]:
        """Begin episodes in pools of their own."""
        for lane, start in zip(lanes, starts, strict=True):
            pool = self._package.make_gymnasium(
                self._options.env,
                num_envs=1,
                num_threads=1,
                seed=seed(start),
                max_episode_steps=self._spec.max_steps,
                **self._options.kwargs,
            )
            self._episodes[lane] = Episode(pool, _flat(pool.reset()[0]))
        return [self._observed(lane) for lane in lanes]

    def step_batch(self, lanes: Sequence[int], actions: NDArray[np.float32]) -> list[StepResult]:
        """Execute a chunk in each of these lanes: all take an action at once."""
        self._check(lanes, actions)
        low, high = self._spec.action_low, self._spec.action_high
        taken = np.clip(actions, low, high).astype(self._dtype)
        chunk = actions.shape[1]
        reward = np.zeros((len(lanes), chunk), np.float32)
        terminated, truncated, valid = np.zeros((3, len(lanes), chunk), np.bool_)
        for at in range(chunk):
            running = [row for row, lane in enumerate(lanes) if not self._episodes[lane].is_over]
            for row in running:
                self._episodes[lanes[row]].pool.send(taken[row, at : at + 1])
            for row in running:
                valid[row, at] = True
                reward[row, at], terminated[row, at], truncated[row, at] = self._received(
                    self._episodes[lanes[row]]
                )
        flags = zip(reward, terminated, truncated, valid, strict=True)
        return [
            StepResult(self._observed(lane), *row, self._episodes[lane].success)
            for lane, row in zip(lanes, flags, strict=True)
        ]

    def close(self) -> None:
        """Leave all pools."""
        self._episodes.clear()

    def _received(self, episode: Episode) -> tuple[float, bool, bool]:
        """Take what came of an action; return its reward, and whether it ends the episode by
        itself or by time."""
        shown, reward, terminated, truncated, told = episode.pool.recv()
        episode.shown = _flat(shown)
        success = any(bool(told[name][0]) for name in SUCCESS if name in told)
        episode.success |= success
        is_end = bool(terminated[0]) or (success and self._options.on_success == "end")
        is_cut = bool(truncated[0]) and not is_end
        episode.is_over = is_end or is_cut
        return float(reward[0]), is_end, is_cut

    def _observed(self, lane: int) -> Observation:
        return Observation({}, self._episodes[lane].shown, self._options.env)

    def _check(self, lanes: Sequence[int], actions: NDArray[np.float32]) -> None:
        for lane in lanes:
            if self._episodes[lane].is_over:
                raise RuntimeError(f"lane {lane} is at its episode's end; reset it first")
        size = self._spec.action_dim
        if actions.shape[2:] != (size,) or not np.isfinite(actions).all():
            raise ValueError(f"actions must be finite and [N, C, {size}], got {actions}")


def _package() -> Any:  # noqa: ANN401 - it has no types
    try:
        return importlib.import_module("envpool")
    except ImportError as error:
        raise RuntimeError(
            f"envpool cannot be imported here ({error}); `rlvla sim install envpool` makes an "
            "environment for `python:` that has it"
        ) from error


def _leaves(space: Any) -> Iterator[Any]:  # noqa: ANN401 - a space of gymnasium
    parts = getattr(space, "spaces", None)
    if parts is None:
        yield space
        return
    for name in sorted(parts):
        yield from _leaves(parts[name])


def _flat(shown: Mapping[str, Any] | Array) -> NDArray[np.float32]:
    """Return the only row of what is shown as one vector, in the order of the names."""
    if isinstance(shown, Mapping):
        return np.concatenate([_flat(shown[name]) for name in sorted(shown)])
    return np.asarray(shown[0], np.float32).reshape(-1)
