"""Proximal policy optimisation (arXiv 1707.06347) of a policy that decides in action chunks.

A decision has C actions of K stochastic elements (tokens) each. With A the advantage, b the policy
that made the decision and rho = pi / b the ratio of a token, action or chunk, minimise

    mean max(-A rho, -A clip(rho, 1 - clip_low, 1 + clip_high))
    + value_coef * mean max(H(R - V), H(R - clip(V, V_b - value_clip, V_b + value_clip)))
    - entropy_coef * mean entropy,    H the Huber loss, R = A + V_b (`vtrace`: v) the value target,

the mean taken over what was executed within a decision, then over decisions (`aggregation`). A is
estimated as in arXiv 1506.02438 (see `gae`) or 1802.01561 (see `vtrace`); a termination ends the
return, a truncation leaves it to the critic. With `vtrace` V_b is not the recorded value, but that
of the weights that the batch begins with.

Where this differs from the paper, or from what is commonly run:

* A chunk-level advantage discounts per decision, not per action, and sums rewards undiscounted,
  unless `chunk_discount: per_step`.
* Actions that the end of an episode kept from being executed have no part in anything.
* Advantages are normalised by running statistics, so that a loss needs no later decision; by those
  of the batch or minibatch, as is common, if `normalise_advantage` says so.
* A `proximal` policy other than the behaviour decouples clip and weight (see `staleness`).
* Decisions weigh the same, so a token of a chunk that was cut short weighs more, unless
  `aggregation: token`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from rlvla.core.interfaces import Correction, Proximal, Recording  # noqa: TC001 - read at run time
from rlvla.plugins.algorithms.aggregation import weights
from rlvla.plugins.algorithms.batches import require_whole_batches
from rlvla.plugins.algorithms.critic import CriticLoss
from rlvla.plugins.algorithms.estimation import Estimation
from rlvla.plugins.algorithms.imitation import Imitation  # noqa: TC001 - read at run time
from rlvla.plugins.algorithms.normalisation import of_batch, of_minibatch, running
from rlvla.plugins.algorithms.parameters import parameter_groups
from rlvla.plugins.algorithms.policy_loss import PolicyLoss, executed_of, recorded
from rlvla.plugins.algorithms.staleness import Staleness
from rlvla.plugins.algorithms.surrogate import Surrogate
from rlvla.plugins.algorithms.vtrace import VTrace
from rlvla.plugins.proximals.behaviour import Behaviour
from rlvla.plugins.ranges import require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Array, Arrays, Field, Moment, SimulatorSpec


BETA1 = 0.9


@dataclass(kw_only=True)
class PPO:
    """Learn from the policy's own decisions, with a critic and a clipped ratio."""

    lr: float = 3e-4
    """Learning rate of all parameters but the critic's."""
    value_lr: float = 1e-3
    """Learning rate of the critic: of the parameters named `value_head.*`."""
    weight_decay: float = 0.0
    """AdamW's decoupled weight decay."""
    beta2: float = 0.95
    """AdamW's memory of squared gradients; 0.999 is common where networks are small."""
    adam_eps: float = 1e-8
    """AdamW's addend to the root of squared gradients."""
    lr_decay: int | None = None
    """Batches over which the learning rates fall linearly to 0; None: they are constant."""
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
    clip_decay: int | None = None
    """Batches over which both bounds of the ratio fall linearly to 1; None: they are constant."""
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
    normalise_advantage: Literal["running", "batch", "minibatch", "none"] = "running"
    """By whose mean and deviation advantages are shifted and scaled: those of past batches, of the
    `batch`, which is then waited for, or of a `minibatch` that is one micro-batch."""
    advantage: Literal["gae", "vtrace"] = "gae"
    """`vtrace` corrects for stale decisions, with values of the batch's weights; waits for it."""
    rho_bar: float = 1.0
    """Bound of V-trace's ratios: the larger, the less biased and the noisier."""
    c_bar: float = 1.0
    """Bound of the ratios in V-trace's traces; at most `rho_bar`."""
    chunk_discount: Literal["per_decision", "per_step"] = "per_decision"
    """What `gamma` discounts in a chunk-level advantage: decisions or (`per_step`) actions."""
    reward_scale: float = 1.0
    """What rewards are multiplied by for learning; reports keep their units."""
    aggregation: Literal["decision", "token", "trajectory"] = "decision"
    """What weighs the same in the loss; all but `decision` wait for the batch."""
    max_grad_norm: float = 1.0
    """Norm to which the gradient is cut."""
    temperature: float = 1.0
    """Of sampling while training; also inside the recorded log-probabilities."""
    critic_warmup: int = 0
    """First batches, in which no decision moves the policy, only the critic."""
    proximal: Proximal = field(default_factory=Behaviour)
    """The policy that the ratio is to, and around which it is clipped."""
    correction: Correction | None = None
    """What bounds the weight of a decision, proximal over behaviour policy."""
    kl_coef: float = 0.0
    """Weight of the divergence from the policy that the phase began with, per token."""
    cotraining: Imitation | None = None
    """What is learned from demonstrations beside the policy's own decisions."""
    recording: Recording | None = None
    """Where these are recorded; none: the simulator's expert plays them."""

    def __post_init__(self) -> None:
        require_whole_batches(self.batch_size, self.micro_batch_size, self.minibatches)
        require(self, "epochs dual_clip lr_decay clip_decay", low=1)
        require(self, "gamma gae_lambda clip_low beta2", low=0, high=1)
        require(self, "lr value_lr weight_decay value_coef entropy_coef critic_warmup", low=0)
        require(self, "kl_coef clip_high value_clip max_grad_norm adam_eps c_bar", low=0)
        require(self, "huber_delta reward_scale", low=1e-6)
        require(self, "rho_bar", low=self.c_bar)
        surrogate = Surrogate(
            level=self.ratio_level,
            clip_low=self.clip_low,
            clip_high=self.clip_high,
            dual_clip=self.dual_clip,
            correction=self.correction,
        )
        self._staleness = Staleness(
            proximal=self.proximal, correction=self.correction, kl_coef=self.kl_coef
        )
        self._policy_loss = PolicyLoss(
            surrogate=surrogate, staleness=self._staleness, entropy_coef=self.entropy_coef
        )
        self._critic = CriticLoss(clip=self.value_clip, huber_delta=self.huber_delta)
        self._estimation = Estimation(
            estimator=self.advantage,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            chunk_discount=self.chunk_discount,
            reward_scale=self.reward_scale,
            vtrace=VTrace(trace=self.gae_lambda, rho_bar=self.rho_bar, c_bar=self.c_bar),
            rows=self.micro_batch_size,
        )

    @property
    def demonstrations(self) -> int:
        """None: the policy's own decisions are learned from."""
        return 0

    @property
    def grouping(self) -> None:
        """None: episodes are not compared."""

    @property
    def normalised(self) -> Sequence[str]:
        """The advantage, if its running statistics are wanted."""
        return ("advantage",) if self.normalise_advantage == "running" else ()

    def check(self, spec: SimulatorSpec, model: Mapping[str, Field]) -> None:
        """Raise ValueError for a coarse ratio, zero exploration noise or an unfit critic."""
        del spec
        self._check_whole()
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

    def _check_whole(self) -> None:
        """Raise ValueError for options that each make sense, but not together."""
        if (self.advantage_level, self.chunk_discount) == ("action", "per_step"):
            raise ValueError("chunk_discount is for advantage_level 'chunk': actions are steps")
        if (self.advantage, self.normalise_advantage) == ("vtrace", "running"):
            raise ValueError(
                "normalise_advantage must be batch, minibatch or none with advantage 'vtrace', "
                "which is not known before the batch is"
            )
        part = self.batch_size // self.minibatches
        if self.normalise_advantage == "minibatch" and self.micro_batch_size != part:
            raise ValueError(
                f"normalise_advantage 'minibatch' needs a micro_batch_size of the whole minibatch, "
                f"{part}, got {self.micro_batch_size}"
            )

    def parameter_groups(self, policy: nn.Module) -> list[dict[str, object]]:
        """Return the trainable parameters, those of the critic with their own learning rate."""
        options = {
            "weight_decay": self.weight_decay,
            "betas": (BETA1, self.beta2),
            "eps": self.adam_eps,
        }
        return parameter_groups(policy, lr=self.lr, value_lr=self.value_lr, options=options)

    def lr_scale(self, update: int) -> float:
        """Return the share of the learning rates for update number `update`, counted from 0."""
        return _left(update, self.lr_decay)

    def targets(self, segment: Arrays, bootstrap: NDArray[np.float32]) -> Arrays:
        """Return `advantage` and `return`, float32 [L, V]; NaN for actions never executed.

        For V-trace only the `bootstrap`: the rest needs the policy.
        """
        return self._estimation.targets(segment, bootstrap)

    @property
    def whole(self) -> bool:
        """Whether an option relates the decisions of a batch."""
        waits = self.advantage == "vtrace" or self.normalise_advantage == "batch"
        return waits or self.aggregation != "decision"

    def complete(self, rows: Arrays, policy: Policy) -> Arrays:
        """Return what V-trace, the batch's statistics and `weight`, float32 [N], need it whole for.

        Fields that `targets` has returned already are replaced.
        """
        fields: dict[str, Array] = {}
        if self.advantage == "vtrace":
            fields = self._estimation.complete(rows, policy)
        if self.normalise_advantage == "batch":
            fields["advantage"] = of_batch({**rows, **fields}["advantage"])
        if self.aggregation != "decision":
            fields["weight"] = weights(rows, self.aggregation, self.ratio_level)
        return fields

    def loss(
        self, policy: Policy, batch: Arrays, moment: Moment
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss of each decision [B] and metrics of each decision [B]."""
        scores = policy.evaluate(batch)
        value, target, advantage = (
            recorded(name, batch, scores.value) for name in ("value", "return", "advantage")
        )
        loss = self._policy_loss.narrowed(_left(moment.updates, self.clip_decay))
        total, metrics = loss.of(scores, self._normalised(advantage, moment), batch, moment)
        critic = self._critic.of(scores.value, value, target, executed_of(batch, value))
        metrics["value_loss"] = critic
        acting = moment.updates >= self.critic_warmup
        total = self.value_coef * critic + (total if acting else 0.0)
        if "weight" in batch:
            total = total * total.new_tensor(batch["weight"])
        return total, {name: metric.detach() for name, metric in metrics.items()}

    def _normalised(self, advantage: Tensor, moment: Moment) -> Tensor:
        if self.normalise_advantage == "running":
            return running(advantage, moment)
        return of_minibatch(advantage) if self.normalise_advantage == "minibatch" else advantage


def _left(update: int, total: int | None) -> float:
    """Return what is left, 1 to 0, of something that falls linearly over `total` batches."""
    return 1.0 if total is None else max(1 - update / total, 0.0)
