"""Supervised fine-tuning: imitate demonstrations (behaviour cloning).

They are those of the simulator's scripted expert, or a recording's. Over their decisions (o, a),
with R the discounted return that followed, minimise

    mean imitate(o, a) + value_coef * (V(o) - R)^2 / 2

where `imitate` is the model's own supervised loss: cross-entropy of tokens, flow matching. The
second term is not part of behaviour cloning; it hands a warm critic to the phase after this one.
It is the expert's return, not the policy's, so that critic starts out optimistic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.interfaces import Recording  # noqa: TC001 - read at run time
from rlvla.plugins.algorithms.batches import require_whole_batches
from rlvla.plugins.algorithms.gae import gae
from rlvla.plugins.algorithms.imitation import imitated
from rlvla.plugins.algorithms.mask import blank, executed, mean
from rlvla.plugins.algorithms.parameters import parameter_groups
from rlvla.plugins.algorithms.steps import Steps
from rlvla.plugins.ranges import require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from rlvla.core.interfaces import Policy, Proximal
    from rlvla.core.types import Arrays, Field, Moment, SimulatorSpec


@dataclass(kw_only=True)
class SFT:
    """Learn from demonstrations."""

    demonstrations: int = 300
    """Episodes to learn from: that the simulator's expert plays first, or a recording's first."""
    recording: Recording | None = None
    """Where they are recorded; none: the simulator's expert plays them."""
    lr: float = 3e-4
    """Learning rate after the warm-up."""
    warmup: int = 0
    """Batches over which the learning rate rises linearly to `lr`."""
    weight_decay: float = 0.0
    """AdamW's decoupled weight decay."""
    batch_size: int = 256
    """Decisions per optimizer step."""
    micro_batch_size: int = 32
    """Decisions per forward and backward pass; divides `batch_size`."""
    epochs: int = 1
    """Passes over each batch, with one optimizer step each."""
    max_grad_norm: float = 1.0
    """Norm to which the gradient is cut."""
    value_coef: float = 0.0
    """Weight of the critic's regression on the expert's return; 0: leave the critic alone."""
    gamma: float = 0.99
    """Discount of that return, per decision if the model has one value per decision."""

    minibatches = 1
    cotraining = None

    def __post_init__(self) -> None:
        require_whole_batches(self.batch_size, self.micro_batch_size)
        require(self, "demonstrations epochs", low=1)
        require(self, "lr warmup weight_decay value_coef max_grad_norm", low=0)
        require(self, "gamma", low=0, high=1)
        self.temperature = 0.0
        """The expert decides and the policy only shows what it learned: nothing is sampled."""

    @property
    def grouping(self) -> None:
        """None: episodes are not compared."""

    @property
    def normalised(self) -> Sequence[str]:
        """Nothing."""
        return ()

    def check(self, spec: SimulatorSpec, model: Mapping[str, Field]) -> None:
        """Raise ValueError if there is a critic to train but the model has none."""
        del spec
        if self.value_coef > 0 and "value" not in model:
            raise ValueError("value_coef must be 0 for a model that records no value")
        if self.value_coef > 0 and self.recording is not None:
            raise ValueError("value_coef must be 0 with a recording, which holds no rewards")

    @property
    def compared(self) -> Mapping[str, Proximal]:
        """Nothing."""
        return {}

    def parameter_groups(self, policy: nn.Module) -> list[dict[str, object]]:
        """Return the trainable parameters in one group."""
        options = {"weight_decay": self.weight_decay}
        return parameter_groups(policy, lr=self.lr, value_lr=self.lr, options=options)

    def lr_scale(self, update: int) -> float:
        """Return the share of `lr` for update number `update`, counted from 0."""
        return min((update + 1) / (self.warmup + 1), 1.0)

    def targets(self, segment: Arrays, bootstrap: NDArray[np.float32]) -> Arrays:
        """Return `return`, float32 [L, V], if the critic is trained; NaN where never executed.

        Only a segment that holds an episode to its end has the expert's whole return; any other
        is completed by what the critic believed when the segment was stored.
        """
        if self.value_coef == 0:
            return {}
        unvalued = np.zeros(bootstrap.shape)
        steps = Steps.of(segment, unvalued, bootstrap, gamma=self.gamma)
        return {"return": gae(steps, 1.0).astype(np.float32)}

    @property
    def whole(self) -> bool:
        """False: a decision's loss needs its own segment alone."""
        return False

    def complete(self, rows: Arrays, policy: Policy) -> Arrays:
        """Return nothing more."""
        del rows, policy
        return {}

    def loss(
        self, policy: Policy, batch: Arrays, moment: Moment
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss of each decision [B] and metrics of each decision [B]."""
        del moment
        total = imitation = imitated(policy, batch)
        metrics = {"imitation_loss": imitation.detach()}
        if self.value_coef > 0:
            value_loss = _value_loss(policy.value(batch), batch["return"], batch["valid"])
            total = total + self.value_coef * value_loss
            metrics["value_loss"] = value_loss.detach()
        return total, metrics


def _value_loss(value: Tensor, returned: NDArray[np.float32], valid: NDArray[np.bool_]) -> Tensor:
    mask = executed(value.new_tensor(valid).bool(), entries=value.shape[1])
    error = blank(value - value.new_tensor(returned), mask)
    return mean(error * error / 2, mask)
