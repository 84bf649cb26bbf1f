"""Recorded episodes: what a policy, now and then disturbed, made of a simulator."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from rlvla.core.errors import PluginError
from rlvla.core.started import started
from rlvla.core.starts import Starts, noise_seed
from rlvla.core.types import encode_instruction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rlvla.core.interfaces import Policy, Simulator
    from rlvla.core.types import Array, Observation, Start

RANDOM = (0.0, 0.3, 0.6)
"""Shares of an episode's actions that are random instead of the policy's, episode after episode."""


@dataclass(frozen=True)
class Frame:
    """What was shown, and what was then done, if the episode went on."""

    observation: Observation
    action: NDArray[np.float32] | None
    """Float32 [D]; None at the episode's end."""
    reward: float
    """Of the action."""
    success: bool
    """The action achieved the task, which ended the episode."""


@dataclass(frozen=True)
class Episode:
    """One recorded episode; its last frame has no action."""

    start: Start
    frames: Sequence[Frame]


@dataclass
class _Lane:
    """An episode that is being played."""

    number: int
    ordinal: int
    start: Start
    shown: Observation
    frames: list[Frame]


class Recorder:
    """Plays episodes action by action in the lanes of a simulator, which it starts and closes.

    An episode's noise depends on its start alone: not on the other lanes, nor on their number.
    """

    def __init__(self, simulator: Simulator, policy: Policy, *, seed: int) -> None:
        self._simulator = simulator
        self._policy = policy
        self._seed = seed
        self._starts = Starts(simulator.tasks, seed=seed)
        spec = simulator.spec
        self._low = np.array(spec.action_low, np.float32)
        self._high = np.array(spec.action_high, np.float32)

    def record(self, episodes: int) -> list[Episode]:
        """Return the episodes of the first training starts, in their order."""
        lanes = min(self._simulator.lanes, episodes)
        with started(self._simulator, lanes):
            playing = [self._begin(number) for number in range(lanes)]
            done: dict[int, Episode] = {}
            while playing:
                ended = self._advance(playing)
                for lane in ended:
                    done[lane.ordinal] = Episode(lane.start, lane.frames)
                    playing.remove(lane)
                    if self._starts.ordinal < episodes:
                        playing.append(self._begin(lane.number))
        return [done[ordinal] for ordinal in sorted(done)]

    def _begin(self, number: int) -> _Lane:
        ordinal, start = self._starts.next()
        shown = deepcopy(self._simulator.reset(number, start))
        return _Lane(number, ordinal, start, shown, [])

    def _advance(self, playing: Sequence[_Lane]) -> list[_Lane]:
        """Act once in each lane; return those whose episode is over."""
        actions = self._decide(playing)
        return [
            lane for lane, action in zip(playing, actions, strict=True) if self._step(lane, action)
        ]

    def _step(self, lane: _Lane, action: NDArray[np.float32]) -> bool:
        result = self._simulator.step(lane.number, action[None])
        if result.terminated[0] and not result.success:
            raise PluginError(
                f"the episode of {lane.start} ended in failure before its time: a world model "
                "knows success and the time limit only"
            )
        reward, success = float(result.reward[0]), bool(result.terminated[0])
        lane.frames.append(Frame(lane.shown, action, reward, success))
        lane.shown = deepcopy(result.observation)  # whose arrays the simulator may use again
        is_over = success or bool(result.truncated[0])
        if is_over:
            lane.frames.append(Frame(lane.shown, None, 0.0, success=False))
        return is_over

    def _decide(self, playing: Sequence[_Lane]) -> list[NDArray[np.float32]]:
        seeds = [noise_seed(self._seed, lane.ordinal, len(lane.frames)) for lane in playing]
        with torch.no_grad():
            decided = self._policy.act(
                rows_of([lane.shown for lane in playing]),
                seeds=np.array(seeds, np.uint64),
                temperature=np.ones(len(playing), np.float32),
            )
        chosen = zip(playing, decided["action"][:, 0], seeds, strict=True)
        return [self._disturbed(lane, action, seed) for lane, action, seed in chosen]

    def _disturbed(self, lane: _Lane, action: Array, seed: int) -> NDArray[np.float32]:
        random = np.random.default_rng(seed)
        if random.random() < RANDOM[lane.ordinal % len(RANDOM)]:
            return random.uniform(self._low, self._high).astype(np.float32)
        return action.astype(np.float32)


def rows_of(shown: Sequence[Observation]) -> dict[str, Array]:
    """Return observations as the rows that a policy takes."""
    rows: dict[str, list[Array]] = {
        f"image/{name}": [one.images[name] for one in shown] for name in shown[0].images
    }
    rows["proprio"] = [one.proprio for one in shown]
    rows["privileged"] = [one.privileged for one in shown]
    rows["instruction"] = [encode_instruction(one.instruction) for one in shown]
    return {name: np.stack(each) for name, each in rows.items()}
