"""A policy to stay near to: the one that the phase began with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.algorithms.mask import blank, mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from rlvla.core.interfaces import Follower
    from rlvla.core.types import Training
    from rlvla.plugins.proximals.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Score decisions with the first weights: one forward pass, one copy of what is trained."""

    sees_within = None

    @property
    def needs(self) -> Sequence[str]:
        """Nothing but what scores a decision again."""
        return ()

    @property
    def decoupled(self) -> bool:
        """True: it is another policy than the one that decided."""
        return True

    def follow(self, training: Training, name: str) -> Follower:
        """Return what keeps the first weights and scores rows when they arrive."""
        from rlvla.plugins.proximals.scored import Scored
        from rlvla.plugins.proximals.weights import Scorer

        scorer = Scorer(training.policy, training.micro_batch_size)
        return Scored(name, scorer, First(training.policy.module))


class First:
    """The weights of the first version; see `scored.Versions`."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._weights: Weights = {}

    def begin(self, version: int) -> None:
        """Copy the weights if they are the first."""
        from rlvla.plugins.proximals.weights import copied

        del version
        self._weights = self._weights or copied(self._module)

    def of(self, version: int) -> Weights:
        """Return the first weights, whatever the version."""
        del version
        return self._weights

    def state(self) -> Mapping[str, Tensor]:
        """Return the copy."""
        return self._weights

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take the copy back."""
        self._weights = dict(state)


def divergence(current: Tensor, reference: Tensor, valid: Tensor | None) -> Tensor:
    """Return the k3 estimate of KL(pi, reference) per token, mean over each decision, [B].

    k3 = exp(d) - 1 - d with d = log reference - log pi (http://joschu.net/blog/kl-approx.html).
    Both log-probabilities are [B, C, K].
    """
    log_ratio = blank(reference - current, valid).clamp(-20, 20)
    return mean(log_ratio.exp() - 1 - log_ratio, valid)
