"""The proximal policy is the trainer's own view of the policy that decided.

The weights of each version that may still have decisions under way are kept, as the first exact
route of arXiv 2605.12070: what generator and trainer compute differently is then told apart from
what training has changed since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.errors import TrainingError
from rlvla.plugins.proximals.beside import Beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from rlvla.core.interfaces import Follower
    from rlvla.core.types import Training
    from rlvla.plugins.proximals.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Snapshot(Beside):
    """Score each decision with the weights of its version: one forward pass, `max_staleness + 1`
    copies of what is trained."""

    def follow(self, training: Training, name: str) -> Follower:
        """Return what keeps the weights and scores rows when they arrive."""
        from rlvla.plugins.proximals.scored import Scored
        from rlvla.plugins.proximals.weights import Scorer

        kept = Kept(training.policy.module, training.max_staleness + 1)
        return Scored(name, Scorer(training.policy, training.micro_batch_size), kept)


class Kept:
    """The weights of the newest `count` versions; see `scored.Versions`."""

    def __init__(self, module: nn.Module, count: int) -> None:
        self._module = module
        self._count = count
        self._kept: dict[int, Weights] = {}

    def begin(self, version: int) -> None:
        """Copy the weights and forget the oldest."""
        from rlvla.plugins.proximals.weights import copied

        self._kept[version] = copied(self._module)
        for old in sorted(self._kept)[: -self._count]:
            del self._kept[old]

    def of(self, version: int) -> Weights:
        """Return the weights of exactly this version."""
        if version not in self._kept:
            raise TrainingError(
                f"a decision of version {version} arrived, but weights are kept of "
                f"{sorted(self._kept)} only"
            )
        return self._kept[version]

    def state(self) -> Mapping[str, Tensor]:
        """Return all copies, as `version/name`."""
        return {
            f"{version}/{name}": tensor
            for version, weights in self._kept.items()
            for name, tensor in weights.items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take the copies back."""
        kept: dict[int, dict[str, Tensor]] = {}
        for key, tensor in state.items():
            version, _, name = key.partition("/")
            kept.setdefault(int(version), {})[name] = tensor
        self._kept = dict(kept)
