"""The proximal policy is a resident second model that trails the trainer.

It stands for the policy that decided, as the second route of arXiv 2605.12070 does, in memory that
does not grow with staleness: exact while no decision is more than one version late, else near.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.proximals.beside import Beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from rlvla.core.interfaces import Follower
    from rlvla.core.types import Training
    from rlvla.plugins.proximals.weights import Weights


@dataclass(frozen=True, kw_only=True)
class OldLogitModel(Beside):
    """Score stale decisions with older weights: one forward pass, two copies of what is trained."""

    every: int | None = None
    """Versions from one renewal of the resident model to the next; none: `max_staleness`."""

    def __post_init__(self) -> None:
        if self.every is not None and self.every < 1:
            raise ValueError(f"every must be at least 1, got {self.every}")

    def follow(self, training: Training, name: str) -> Follower:
        """Return what trails the training and scores rows when they arrive."""
        from rlvla.plugins.proximals.scored import Scored
        from rlvla.plugins.proximals.weights import Scorer

        resident = Resident(training.policy.module, self.every or max(training.max_staleness, 1))
        return Scored(name, Scorer(training.policy, training.micro_batch_size), resident)


class Resident:
    """The resident model's weights and those that it takes over next; see `scored.Versions`.

    A decision is scored by the weights nearest to its own version among these and the present.
    """

    def __init__(self, module: nn.Module, every: int) -> None:
        self._module = module
        self._every = every
        self._version = 0
        self._held: dict[int, Weights] = {}

    def begin(self, version: int) -> None:
        """Hand the waiting weights on, and have the present ones wait, when it is time."""
        from rlvla.plugins.proximals.weights import copied

        self._version = version
        if not self._held or version - max(self._held) >= self._every:
            newest = sorted(self._held)[-1:]
            self._held = {one: self._held[one] for one in newest}
            self._held[version] = copied(self._module)

    def of(self, version: int) -> Weights | None:
        """Return the weights nearest to this version, the present ones if there is a choice."""
        nearest = min([self._version, *self._held], key=lambda one: abs(one - version))
        return None if nearest == self._version else self._held[nearest]

    def state(self) -> Mapping[str, Tensor]:
        """Return both copies, as `version/name`, and the present version."""
        import torch

        state = {
            f"{version}/{name}": tensor
            for version, weights in self._held.items()
            for name, tensor in weights.items()
        }
        return state | {"version": torch.tensor(self._version)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take the copies back."""
        held: dict[int, dict[str, Tensor]] = {}
        for key, tensor in state.items():
            version, _, name = key.partition("/")
            if name:
                held.setdefault(int(version), {})[name] = tensor
        self._held = dict(held)
        self._version = int(state["version"])
