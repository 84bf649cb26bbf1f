"""The options of sampling from a flow, and what it records of a decision; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rlvla.core.types import Field

Kind: TypeAlias = Literal["sde", "noise", "cps"]
Choice: TypeAlias = Literal["one", "all"]
Reduction: TypeAlias = Literal["sum", "mean"]
Start: TypeAlias = Literal["noise", "origin"]


@dataclass(frozen=True, kw_only=True)
class FlowSampling:
    """Which denoising steps are drawn, with how much noise, and how they are scored together."""

    kind: Kind = "sde"
    """Noise of the steps: `sde` keeps the marginals of the flow (arXiv 2505.05470), `noise` learns
    the deviation of each element (arXiv 2505.22094), `cps` replaces a part of the noise that is
    left by fresh noise (arXiv 2509.05952), so that the last step draws nothing."""
    steps: int = 4
    """Denoising steps (K), each a forward pass of the velocity network."""
    stochastic: Choice = "one"
    """Draw one step, chosen at random for each decision, or all of them; `one` needs a single
    forward pass to score a decision, `all` one of K times the rows."""
    reduce: Reduction = "sum"
    """How `all` joins the log-probabilities of the steps. `sum` is that of the whole chain but for
    its start, which does not depend on the weights and cancels in every ratio. `mean` divides by
    the number of Gaussians, the start among them: by K + 1 (`cps`: K). A clip range then admits
    K + 1 times the change."""
    noise: float = 0.5
    """`sde`: a of the deviation a sqrt(t / (1 - t)); `cps`: the share of noise that is replaced,
    at most 1. Unused by `noise`."""
    low: float = 0.08
    """Smallest deviation that `noise` may learn."""
    high: float = 0.16
    """Largest deviation that `noise` may learn."""
    start: Start = "noise"
    """Where the flow begins at temperature 0, as in evaluations: at `noise` of the decision's seed,
    as published ones do, or at the `origin`, so that the seed does not matter. Steps draw nothing
    then, and equal seeds decide alike."""

    def __post_init__(self) -> None:
        least = 2 if self.kind == "cps" else 1
        if self.steps < least:
            raise ValueError(f"steps must be at least {least} for {self.kind}, got {self.steps}")
        if not self.noise > 0:
            raise ValueError(
                f"noise must be above 0, got {self.noise}: a policy without noise cannot explore, "
                "nor has it a density to learn from; temperature 0 is what acts without noise"
            )
        if self.kind == "cps" and self.noise > 1:
            raise ValueError(f"noise is a share for cps, at most 1, got {self.noise}")
        if not 0 < self.low < self.high:
            raise ValueError(f"low must be above 0 and below high, got {self.low} and {self.high}")

    @property
    def learned(self) -> bool:
        """The network says how much noise there is."""
        return self.kind == "noise"

    @property
    def drawable(self) -> int:
        """The steps that noise can be drawn in; they come first."""
        return self.steps - 1 if self.kind == "cps" else self.steps

    @property
    def drawn(self) -> int:
        """The steps of a decision that are drawn and scored (S)."""
        return 1 if self.stochastic == "one" else self.drawable

    def fields(self, horizon: int, width: int) -> dict[str, Field]:
        """Return the fields by which a decision can be scored again.

        `chain` are the points before the drawn steps and the one after, of `horizon` actions with
        `width` elements each, `step` is which of the steps was drawn (`one`). `noise` are their
        deviations, or the bounds of learned ones: recorded, as they may change while training.
        """
        fields = {
            "chain": Field((self.drawn + 1, horizon, width), "float32"),
            "noise": Field((2 if self.learned else self.drawn,), "float32"),
        }
        return fields | ({"step": Field((), "int64")} if self.stochastic == "one" else {})
