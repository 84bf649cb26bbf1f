"""Proximal policy optimisation (arXiv 1707.06347) of a policy that decides in action chunks.

A decision has C actions of K stochastic elements (tokens) each. With A the advantage, b the policy
that made the decision and rho = pi / b the ratio of a token, action or chunk, minimise

    mean max(-A rho, -A clip(rho, 1 - clip_low, 1 + clip_high))
    + value_coef * mean max(H(R - V), H(R - clip(V, V_b - value_clip, V_b + value_clip)))
    - entropy_coef * mean entropy,    H the Huber loss, R = A + V_b the value target,

the mean taken over what was executed within a decision, then over decisions. A is estimated as in
arXiv 1506.02438 (see `gae`); a termination ends the return, a truncation leaves it to the critic.

Where this differs from the paper, or from what is commonly run:

* A chunk-level advantage discounts per decision, not per action, and sums rewards undiscounted.
* Actions that the end of an episode kept from being executed have no part in anything.
* Advantages are normalised by running statistics, so that a loss needs no later decision.
* A `proximal` policy other than the behaviour decouples clip and weight (see `staleness`).
* Decisions weigh the same, so a token of a chunk that was cut short weighs more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from rlvla.core.interfaces import Correction, Proximal  # noqa: TC001 - read at run time
from rlvla.plugins.algorithms.critic import CriticLoss
from rlvla.plugins.algorithms.gae import gae
from rlvla.plugins.algorithms.mask import mean
from rlvla.plugins.algorithms.ranges import require, require_whole_batches
from rlvla.plugins.algorithms.staleness import Staleness
from rlvla.plugins.algorithms.surrogate import Surrogate
from rlvla.plugins.proximals.behaviour import Behaviour

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Arrays, Field, Moment, SimulatorSpec


@dataclass(kw_only=True)
class PPO:
    """Learn from the policy's own decisions, with a critic and a clipped ratio."""

    lr: float = 3e-4
    """Learning rate of all parameters but the critic's."""
    value_lr: float = 1e-3
    """Learning rate of the critic: of the parameters named `value_head.*`."""
    weight_decay: float = 0.0
    """AdamW's decoupled weight decay."""
    batch_size: int = 256
    """Decisions per version of the weights."""
    micro_batch_size: int = 32
    """Decisions per forward and backward pass; divides `batch_size / minibatches`."""
    epochs: int = 1
    """Passes over each batch, with `minibatches` optimizer steps each."""
    minibatches: int = 1
    """Optimizer steps per pass, each on an equal part of the batch."""
    gamma: float = 0.99
    """Discount per decision (`advantage_level: chunk`) or per action."""
    gae_lambda: float = 0.95
    """Weight of long against short advantage estimates; 0: temporal difference, 1: return."""
    clip_low: float = 0.2
    """How far below 1 a ratio still gains; depends strongly on `ratio_level`."""
    clip_high: float = 0.2
    """How far above 1 a ratio still gains."""
    dual_clip: float | None = None
    """Bound of the loss, in units of |advantage|, where a bad action became likelier; above 1."""
    value_coef: float = 1.0
    """Weight of the critic's loss."""
    value_clip: float | None = 0.2
    """How far a value may move from the recorded one and still gain."""
    huber_delta: float = 10.0
    """Error of the critic from which on its loss grows only linearly."""
    entropy_coef: float = 0.0
    """Weight of the entropy bonus."""
    advantage_level: Literal["chunk", "action"] = "chunk"
    """What has a reward, value and advantage of its own; `action` needs a value per action."""
    ratio_level: Literal["token", "action", "chunk"] = "action"
    """What has a ratio of its own; not coarser than `advantage_level`."""
    normalise_advantage: bool = True
    """Shift and scale advantages by their running mean and standard deviation."""
    max_grad_norm: float = 1.0
    """Norm to which the gradient is cut."""
    temperature: float = 1.0
    """Of sampling while training; also inside the recorded log-probabilities."""
    critic_warmup: int = 0
    """First batches, in which only the critic's loss acts."""
    proximal: Proximal = field(default_factory=Behaviour)
    """The policy that the ratio is to, and around which it is clipped."""
    correction: Correction | None = None
    """What bounds the weight of a decision, proximal over behaviour policy."""
    kl_coef: float = 0.0
    """Weight of the divergence from the policy that the phase began with, per token."""

    def __post_init__(self) -> None:
        require_whole_batches(self.batch_size, self.micro_batch_size, self.minibatches)
        require(self, "epochs dual_clip", low=1)
        require(self, "gamma gae_lambda clip_low", low=0, high=1)
        require(self, "lr value_lr weight_decay value_coef entropy_coef critic_warmup", low=0)
        require(self, "kl_coef", low=0)
        require(self, "clip_high value_clip max_grad_norm", low=0)
        require(self, "huber_delta", low=1e-6)
        self._surrogate = Surrogate(
            level=self.ratio_level,
            clip_low=self.clip_low,
            clip_high=self.clip_high,
            dual_clip=self.dual_clip,
            correction=self.correction,
        )
        self._staleness = Staleness(
            proximal=self.proximal, correction=self.correction, kl_coef=self.kl_coef
        )
        self._critic = CriticLoss(clip=self.value_clip, huber_delta=self.huber_delta)

    @property
    def demonstrations(self) -> int:
        """None: the policy's own decisions are learned from."""
        return 0

    @property
    def normalised(self) -> Sequence[str]:
        """The advantage, unless switched off."""
        return ("advantage",) if self.normalise_advantage else ()

    def check(self, spec: SimulatorSpec, model: Mapping[str, Field]) -> None:
        """Raise ValueError for a coarse ratio, zero exploration noise or an unfit critic."""
        del spec
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, got {self.temperature}: zero noise")
        if (self.advantage_level, self.ratio_level) == ("action", "chunk"):
            raise ValueError("ratio_level 'chunk' is coarser than advantage_level 'action'")
        for option, name in (("ratio_level", "log_prob"), ("advantage_level", "value")):
            if name not in model:
                raise ValueError(f"{option} needs a model that records {name}")
        needed = 1 if self.advantage_level == "chunk" else model["log_prob"].shape[0]
        values = model["value"].shape[0]
        if values != needed:
            raise ValueError(f"advantage_level needs {needed} values a decision, not {values}")
        self._staleness.check(self.ratio_level, model)

    @property
    def compared(self) -> Mapping[str, Proximal]:
        """The proximal policy and, if there is a penalty, the reference policy."""
        return self._staleness.compared

    def parameter_groups(self, policy: nn.Module) -> list[dict[str, object]]:
        """Return the trainable parameters, those of the critic with their own learning rate."""
        groups: dict[float, list[nn.Parameter]] = {}
        for name, one in policy.named_parameters():
            if one.requires_grad:
                rate = self.value_lr if name.startswith("value_head.") else self.lr
                groups.setdefault(rate, []).append(one)
        return [
            {"params": parameters, "lr": rate, "weight_decay": self.weight_decay}
            for rate, parameters in groups.items()
        ]

    def lr_scale(self, update: int) -> float:
        """Return 1: learning rates are constant."""
        del update
        return 1.0

    def targets(self, segment: Arrays, bootstrap: NDArray[np.float32]) -> Arrays:
        """Return `advantage` and `return`, float32 [L, V]; NaN for actions never executed."""
        value = segment["value"].astype(np.float64)
        advantage = gae(segment, value, bootstrap, gamma=self.gamma, gae_lambda=self.gae_lambda)
        targets = {"advantage": advantage, "return": advantage + value}
        return {name: target.astype(np.float32) for name, target in targets.items()}

    @property
    def whole(self) -> bool:
        """False: a decision's loss needs its own segment alone."""
        return False

    def complete(self, rows: Arrays) -> Arrays:
        """Return nothing more."""
        del rows
        return {}

    def loss(
        self, policy: Policy, batch: Arrays, moment: Moment
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss of each decision [B] and metrics of each decision [B]."""
        import torch

        scores = policy.evaluate(batch)
        names = ("valid", "log_prob", "value", "advantage", "return")
        given = {name: torch.from_numpy(batch[name]).to(scores.log_prob.device) for name in names}
        valid = None if batch["valid"].all() else given["valid"]
        advantage = given["advantage"]
        if self.normalise_advantage:
            centre, deviation = moment.moments["advantage"]
            advantage = (advantage - centre) / (deviation + 1e-5)
        current = scores.log_prob
        ratios = self._staleness.log_ratios(current, given["log_prob"], batch, moment)
        metrics = self._surrogate.terms(ratios[0], advantage, valid, ratios[1])
        metrics |= self._staleness.drift(*ratios, valid)
        value_loss = self._critic.of(scores.value, given["value"], given["return"], valid)
        entropy = mean(scores.entropy, valid)
        total = self.value_coef * value_loss
        if moment.updates >= self.critic_warmup:
            total = total + metrics["policy_loss"]
            if self.entropy_coef:
                total = total - self.entropy_coef * entropy
            if self.kl_coef:
                kl = self._staleness.divergence(current, valid, batch, moment)
                total = total + self.kl_coef * kl
                metrics["reference_kl"] = kl
        metrics |= {"value_loss": value_loss, "entropy": entropy}
        return total, {name: metric.detach() for name, metric in metrics.items()}
