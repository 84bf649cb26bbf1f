"""The proximal policy has an average of the trainer's weights (PPO-EWMA, arXiv 2110.00641).

After every optimizer step, with the weights theta and W = 1 at first,

    W' = beta W + 1,   theta_p = theta_p (beta W / W') + theta / W'

so that a weight counts beta^k after k steps and the sum is never biased towards the first. The
centre of mass is beta / (1 - beta) steps. Without `beta` it is half of the window of steps that a
decision's own weights may be away from the last step that it takes part in (the revised form of
arXiv 2605.12070, where the window is counted in versions): beta = window / (window + 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.proximals.beside import Beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from rlvla.core.types import Arrays, Training
    from rlvla.plugins.proximals.weights import Scorer, Weights


@dataclass(frozen=True, kw_only=True)
class Ewma(Beside):
    """Average the weights: a forward pass for each micro-batch, one copy of what is trained."""

    beta: float | None = None
    """What an older step counts less; 0: only the present weights, and nothing is ever clipped;
    none: from the window of `max_staleness`."""
    reset_below: float | None = None
    """Begin the average anew when, in a step, the share of ratios that still had a gradient falls
    below this; 0.9 is usual."""

    def __post_init__(self) -> None:
        if self.beta is not None and not 0 <= self.beta < 1:
            raise ValueError(f"beta must be at least 0 and below 1, got {self.beta}")
        if self.reset_below is not None and not 0 <= self.reset_below <= 1:
            raise ValueError(f"reset_below must be between 0 and 1, got {self.reset_below}")

    def follow(self, training: Training, name: str) -> Average:
        """Return what averages the weights."""
        del name
        from rlvla.plugins.proximals.weights import Scorer

        window = (training.max_staleness + 1) * training.steps - 1
        beta = window / (window + 2) if self.beta is None else self.beta
        scorer = Scorer(training.policy, training.micro_batch_size)
        return Average(scorer, beta, self.reset_below or 0.0)


class Average:
    """The averaged weights; see `interfaces.Follower`."""

    def __init__(self, scorer: Scorer, beta: float, reset_below: float) -> None:
        self._scorer = scorer
        self._beta = beta
        self._reset_below = reset_below
        self._total = 1.0
        self._weights: Weights = {}

    def begin(self, version: int) -> None:
        """Start from the first weights that there are."""
        del version
        if not self._weights:
            self._reset()

    def arrive(self, rows: Arrays) -> Arrays:
        """Add nothing: the average moves on within a batch."""
        del rows
        return {}

    def step(self, metrics: Mapping[str, float]) -> None:
        """Take the new weights into the average, or begin it with them."""
        from rlvla.core.generator import trained_parameters

        if metrics.get("active", 1.0) < self._reset_below:
            self._reset()
            return
        old, self._total = self._total, self._beta * self._total + 1
        for name, one in trained_parameters(self._scorer.policy.module).items():
            average = self._weights[name]
            average.mul_(self._beta * old / self._total).add_(one.detach(), alpha=1 / self._total)

    def log_prob(self, batch: Arrays, current: Tensor, version: int) -> Tensor:
        """Score the micro-batch with the average as it is."""
        del current, version
        return self._scorer.log_prob(batch, self._weights)

    def state(self) -> Mapping[str, Tensor]:
        """Return the average and what it weighs."""
        import torch

        total = torch.tensor(self._total, dtype=torch.float64)
        return {**{f"weights/{name}": one for name, one in self._weights.items()}, "total": total}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take the average back."""
        weights = {key.partition("/")[2]: one for key, one in state.items() if "/" in key}
        self._weights = weights
        self._total = float(state["total"])

    def _reset(self) -> None:
        from rlvla.plugins.proximals.weights import copied

        self._total = 1.0
        self._weights = copied(self._scorer.policy.module)
