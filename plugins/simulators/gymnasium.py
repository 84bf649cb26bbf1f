"""The simulator `gymnasium`: any environment that takes a vector of numbers, by its id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvla.core.types import Observation, SimulatorSpec, StepResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from rlvla.core.types import Array, Start

CAMERA = "front"


@dataclass
class Gymnasium:
    """Environments of one id, a lane each, that step in turn.

    An observation that is a uint8 Box [height, width, 3] is the image of the camera `front`; any
    other Box is flattened into the proprioception. An action is what a Box of one dimension holds,
    the number of one of the Discrete choices, or several (MultiDiscrete). The success of an episode
    is what the environment says under `is_success`, if it does.
    """

    env: str
    """Id of the environment, such as HalfCheetah-v5."""
    lanes: int = 8
    """Lanes of the run."""
    kwargs: dict[str, Any] = field(default_factory=dict[str, Any])
    """What the environment is made with."""
    max_steps: int | None = None
    """Actions after which an episode is cut; by default the environment's own limit."""

    def __post_init__(self) -> None:
        if self.lanes < 1:
            raise ValueError(f"lanes must be at least 1, got {self.lanes}")
        if self.max_steps is not None and self.max_steps < 1:
            raise ValueError(f"max_steps must be at least 1, got {self.max_steps}")
        self._live: list[Any] = []
        self._spec: SimulatorSpec | None = None

    @property
    def tasks(self) -> Sequence[str]:
        """The id of the environment."""
        return [self.env]

    @property
    def spec(self) -> SimulatorSpec:
        """What is shown and taken; makes the environment once to learn it."""
        if self._spec is None:
            made = self._make()
            try:
                self._spec = self._spec_of(made)
            finally:
                made.close()
        return self._spec

    def start(self, lanes: int) -> None:
        """Make an environment for each lane."""
        self._live = [self._make() for _ in range(lanes)]
        self._take = _taker(self._live[0].action_space)

    def reset(self, lane: int, start: Start) -> Observation:
        """Begin the episode whose seed is a function of `start` alone."""
        shown, _ = self._live[lane].reset(seed=_seed(start))
        return self._observation(shown)

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        """Execute a chunk of actions, float32 [C, D]."""
        chunk = len(actions)
        reward = np.zeros(chunk, np.float32)
        terminated, truncated, valid = np.zeros((3, chunk), np.bool_)
        step, take = self._live[lane].step, self._take
        shown, info = np.zeros(0), dict[str, Any]()
        for index, action in enumerate(actions):
            shown, reward[index], terminated[index], truncated[index], info = step(take(action))
            valid[index] = True
            if terminated[index]:
                truncated[index] = False
            if terminated[index] or truncated[index]:
                break
        return StepResult(
            observation=self._observation(shown),
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            valid=valid,
            success=bool(info.get("is_success", False)),
        )

    def close(self) -> None:
        """Close the environments."""
        for one in self._live:
            one.close()
        self._live = []

    def _make(self) -> Any:  # noqa: ANN401 - whatever the id names
        import gymnasium

        limit: Mapping[str, Any] = {"max_episode_steps": self.max_steps} if self.max_steps else {}
        try:
            return gymnasium.make(self.env, disable_env_checker=True, **limit, **self.kwargs)
        except (gymnasium.error.Error, ImportError) as error:
            raise ValueError(f"env {self.env!r} cannot be made: {error}") from error
        except TypeError as error:
            raise ValueError(f"kwargs do not fit env {self.env!r}: {error}") from error

    def _spec_of(self, made: Any) -> SimulatorSpec:  # noqa: ANN401 - an environment
        shown, taken = made.observation_space, made.action_space
        low, high = self._bounds(taken)
        if getattr(shown, "low", None) is None:
            raise ValueError(f"env {self.env!r} must show an array of numbers, it shows {shown}")
        limit = made.spec.max_episode_steps
        if limit is None:
            raise ValueError(f"max_steps is needed: env {self.env!r} has no limit of its own")
        image = _is_image(shown)
        shape: tuple[int, ...] = shown.shape
        rate: float | None = made.metadata.get("render_fps")
        return SimulatorSpec(
            cameras={CAMERA: (shape[0], shape[1])} if image else {},
            proprio=0 if image else int(np.prod(shape)),
            action_low=low,
            action_high=high,
            discrete=_counts(taken) is not None,
            max_steps=limit,
            control_hz=float(rate or 1),
        )

    def _bounds(self, taken: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:  # noqa: ANN401
        counts = _counts(taken)
        low: Array | None = getattr(taken, "low" if counts is None else "start", None)
        high: Array | None = getattr(taken, "high", None)
        if counts is not None and low is not None:
            low = np.atleast_1d(low)
            high = low + counts - 1
        if low is None or high is None or low.ndim != 1:
            raise ValueError(f"env {self.env!r} must take a vector of numbers, it takes {taken}")
        if not np.isfinite([low, high]).all():
            raise ValueError(f"env {self.env!r} must bound its actions, it takes {taken}")
        return tuple(low.tolist()), tuple(high.tolist())

    def _observation(self, shown: Array) -> Observation:
        if self.spec.cameras:
            return Observation({CAMERA: shown}, np.zeros(0, np.float32), self.env)
        return Observation({}, np.asarray(shown, np.float32).reshape(-1), self.env)


def _is_image(space: Any) -> bool:  # noqa: ANN401 - an observation space
    return space.dtype == np.uint8 and len(space.shape) == 3 and space.shape[2] == 3


def _counts(space: Any) -> Array | None:  # noqa: ANN401 - an action space
    """Return the number of choices of each dimension; None if there are no such numbers."""
    counts = getattr(space, "nvec", getattr(space, "n", None))
    return None if counts is None else np.atleast_1d(counts)


def _taker(space: Any) -> Callable[[Array], object]:  # noqa: ANN401 - an action space
    """Return what makes an environment's action of a vector."""
    if _counts(space) is None:
        return lambda action: action
    if not space.shape:
        return lambda action: round(action.item())
    return lambda action: np.rint(action).astype(space.dtype)


def _seed(start: Start) -> int:
    entropy = (start.split == "eval", abs(start.seed), start.index)
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])
