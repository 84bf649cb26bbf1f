"""What an algorithm with a clipped ratio does about decisions of older weights.

The loss of a decision that b made is decoupled (arXiv 2110.00641, eq. 3): the ratio is to a
proximal policy p, around which it is clipped, and p / b is the weight of the decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.algorithms.mask import blank, mean
from rlvla.plugins.algorithms.reference import Reference, divergence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from rlvla.core.interfaces import Correction, Proximal
    from rlvla.core.types import Arrays, Field, Moment

PROXIMAL, REFERENCE = "proximal", "reference"


@dataclass(frozen=True, kw_only=True)
class Staleness:
    """The options `proximal`, `correction` and `kl_coef` of an algorithm, and what follows."""

    proximal: Proximal
    correction: Correction | None
    kl_coef: float

    @property
    def compared(self) -> Mapping[str, Proximal]:
        """The policies that the loss looks at; see `Algorithm.compared`."""
        reference = {REFERENCE: Reference()} if self.kl_coef else {}
        return {PROXIMAL: self.proximal, **reference}

    def check(self, level: str, model: Mapping[str, Field]) -> None:
        """Raise ValueError if the options do not fit each other or what the model records."""
        chosen = {"proximal": self.proximal, "correction": self.correction}
        for option, component in chosen.items():
            missing = [name for name in component.needs if name not in model] if component else []
            if missing:
                raise ValueError(f"{option} needs a model that records {', '.join(missing)}")
        if self.correction is not None:
            try:
                self.correction.check(level=level, decoupled=self.proximal.decoupled)
            except ValueError as error:
                raise ValueError(f"correction.{error}") from error

    def log_ratios(
        self, current: Tensor, behaviour: Tensor, batch: Arrays, moment: Moment
    ) -> tuple[Tensor, Tensor | None]:
        """Return log(pi / p) and, without gradient, log(p / b): None if p is b; [B, C, K].

        `current` and `behaviour` are the log-probabilities of the batch under pi and b.
        """
        if not self.proximal.decoupled:
            return current - behaviour, None
        proximal = moment.scores[PROXIMAL](batch, current.detach())
        return current - proximal, proximal - behaviour

    def drift(
        self, log_ratio: Tensor, log_weight: Tensor | None, valid: Tensor | None
    ) -> dict[str, Tensor]:
        """Return metrics of each decision: its mean log-ratio per token to p and to b, [B]."""
        if log_weight is None:
            return {}
        far = blank((log_ratio + log_weight).detach(), valid)
        near = blank(log_ratio.detach(), valid)
        return {"proximal_log_ratio": mean(near, valid), "behaviour_log_ratio": mean(far, valid)}

    def divergence(
        self, current: Tensor, valid: Tensor | None, batch: Arrays, moment: Moment
    ) -> Tensor:
        """Return each decision's divergence from the reference policy, [B]."""
        reference = moment.scores[REFERENCE](batch, current.detach())
        return divergence(current, reference, valid)
