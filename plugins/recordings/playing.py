"""Episodes played in a simulator to be recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from rlvla.core.errors import PluginError
from rlvla.core.recorded import RecordedEpisode
from rlvla.core.types import encode_instruction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rlvla.core.interfaces import Policy, Simulator
    from rlvla.core.starts import Starts
    from rlvla.core.types import Array, Observation, Start

Decide: TypeAlias = "Callable[[Observation], Array]"
"""Takes what is shown; returns a chunk of actions, float32 [C, D]."""

PATIENCE = 50
"""Episodes that may fail in a row."""


@dataclass(frozen=True)
class Player:
    """Plays in the first lane of a simulator that was started."""

    simulator: Simulator
    decide: Decide

    def successes(self, starts: Starts) -> Iterator[RecordedEpisode]:
        """Yield what succeeds, for ever; raise PluginError if nothing does for a long time."""
        failures = 0
        while failures < PATIENCE:
            episode, success = self._played(starts.next()[1])
            failures = 0 if success else failures + 1
            if success:
                yield episode
        raise PluginError(f"{failures} episodes in a row failed: there is nothing to record")

    def _played(self, start: Start) -> tuple[RecordedEpisode, bool]:
        shown = self.simulator.reset(0, start)
        seen, actions = list["Observation"](), list["Array"]()
        while True:
            for action in self.decide(shown).clip(*self._bounds()):
                seen.append(shown)
                actions.append(action)
                result = self.simulator.step(0, action[None])
                shown = result.observation
                if result.terminated.any() or result.truncated.any():
                    return _episode(seen, actions), result.success

    def _bounds(self) -> list[Array]:
        """Return within what an action is recorded: simulators cut what goes beyond."""
        spec = self.simulator.spec
        return [np.array(one, np.float32) for one in (spec.action_low, spec.action_high)]


def deciding(policy: Policy) -> Decide:
    """Return the policy's greedy decisions."""

    import torch

    @torch.no_grad()
    def decide(shown: Observation) -> Array:
        seen = {f"image/{name}": one[None] for name, one in shown.images.items()}
        seen |= {name: getattr(shown, name)[None] for name in ("proprio", "privileged")}
        seen["instruction"] = encode_instruction(shown.instruction)[None]
        made = policy.act(seen, seeds=np.zeros(1, np.uint64), temperature=np.zeros(1, np.float32))
        return np.asarray(made["action"][0], np.float32)

    return decide


def _episode(seen: list[Observation], actions: list[Array]) -> RecordedEpisode:
    return RecordedEpisode(
        instruction=seen[0].instruction,
        images={name: np.stack([one.images[name] for one in seen]) for name in seen[0].images},
        proprio=np.stack([one.proprio for one in seen]),
        actions=np.stack(actions),
    )
