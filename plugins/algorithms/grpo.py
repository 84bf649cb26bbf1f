"""Group relative policy optimisation (arXiv 2402.03300) of a policy that decides in action chunks.

A group is G whole episodes of one start (task, initial state, seed) under different sampling
noise. With S the return of an episode, its advantage takes the place of that of a critic,

    A = (S - mean of the group) / (std of the group + epsilon),    std unbiased,

and is that of all its decisions. With `supervision: process` (section 4.1.3) S is what a decision
is paid, and its advantage what such A of it and of those after it add up to, discounted: where
steps are paid for, that tells which of them were good. With b the policy that made a decision,
rho = pi / b the ratio of a token, action or chunk, B the episodes of the batch and L_i the executed
actions of episode i, minimise

    1/B sum_i 1/L_i sum_t max(-A_i rho_t, -A_i clip(rho_t, 1 - clip_low, 1 + clip_high))
    - entropy_coef * the same mean of the entropy

(`aggregation: trajectory`), or the sum over all t of all i by the number of all t (`token`). The
switches `mean_level`, `std_level` and `leave_one_out` make it RLOO (group without itself, none),
Dr. GRPO (group, none) or REINFORCE++ with a baseline (group, batch).

Where this differs from the paper, or from what is commonly run:

* No penalty for leaving a reference policy unless `kl_coef` asks for one: published runs on VLAs
  have none.
* `clip_high` is above `clip_low` (DAPO, arXiv 2503.14476).
* Actions that the end of an episode kept from being executed have no part in anything.
* A `proximal` policy other than the behaviour decouples clip and weight (see `staleness`).
* S may be discounted (`gamma`), or the sum of A: else S prefers no quick success to a late one.
* `filter: resample` plays other starts until the batch is full (SimpleVLA-RL); `mask` trains on
  the rest of the batch alone, by the denominators of the whole one (RLinf).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from rlvla.core.interfaces import Correction, Proximal, Recording  # noqa: TC001 - read at run time
from rlvla.core.segment import Grouping
from rlvla.plugins.algorithms.imitation import Imitation  # noqa: TC001 - read at run time
from rlvla.plugins.algorithms.parameters import parameter_groups
from rlvla.plugins.algorithms.policy_loss import PolicyLoss, recorded
from rlvla.plugins.algorithms.relative import Relative
from rlvla.plugins.algorithms.staleness import Staleness
from rlvla.plugins.algorithms.surrogate import Surrogate
from rlvla.plugins.proximals.behaviour import Behaviour
from rlvla.plugins.ranges import require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Array, Arrays, Field, Moment, SimulatorSpec


@dataclass(kw_only=True)
class GRPO:
    """Learn from the policy's own episodes, each compared with others from the same start."""

    lr: float = 3e-4
    """Learning rate of all parameters but a critic's, `value_head.*`, which stay as they are."""
    weight_decay: float = 0.0
    """AdamW's decoupled weight decay."""
    group_size: int = 8
    """Episodes of one start, G."""
    batch_size: int = 64
    """Episodes per version of the weights; a multiple of `group_size`."""
    micro_batch_size: int = 32
    """Decisions per forward and backward pass."""
    epochs: int = 1
    """Passes over each batch, with `minibatches` optimizer steps each."""
    minibatches: int = 1
    """Optimizer steps per pass, each on an equal number of episodes."""
    gamma: float = 1.0
    """Discount of a reward by each decision before it: below 1, haste pays."""
    supervision: Literal["outcome", "process"] = "outcome"
    """What is compared: what episodes return, for all their decisions alike, or what decisions are
    paid, of which each has to answer for those after it too."""
    mean_level: Literal["group", "batch", "none"] = "group"
    """Among which episodes (or their decisions) the mean is taken that an advantage is the distance
    from."""
    std_level: Literal["group", "batch", "none"] = "group"
    """Among which episodes (or their decisions) the deviation is taken that it is measured by."""
    leave_one_out: bool = False
    """An episode (or decision) has no part in the mean that it is compared with."""
    epsilon: float = 1e-6
    """Added to the deviation."""
    clip_low: float = 0.2
    """How far below 1 a ratio still gains; depends strongly on `ratio_level`."""
    clip_high: float = 0.28
    """How far above 1 a ratio still gains."""
    dual_clip: float | None = None
    """Bound of the loss, in units of |advantage|, where a bad action became likelier; above 1."""
    ratio_level: Literal["token", "action", "chunk"] = "token"
    """What has a ratio of its own."""
    aggregation: Literal["trajectory", "token"] = "trajectory"
    """What weighs the same: episodes, or tokens, of which long episodes have more."""
    entropy_coef: float = 0.0
    """Weight of the entropy bonus."""
    filter: Literal["none", "mask", "resample"] = "none"
    """What becomes of a group whose mean return (undiscounted) is out of bounds: it is trained on,
    it weighs nothing, or it is dropped and another start is played in its place."""
    filter_low: float = 0.1
    """Lowest mean return of a group that passes the filter."""
    filter_high: float = 0.9
    """Highest mean return of a group that passes the filter."""
    max_grad_norm: float = 1.0
    """Norm to which the gradient is cut."""
    temperature: float = 1.0
    """Of sampling while training; also inside the recorded log-probabilities."""
    proximal: Proximal = field(default_factory=Behaviour)
    """The policy that the ratio is to, and around which it is clipped."""
    correction: Correction | None = None
    """What bounds the weight of a decision, proximal over behaviour policy."""
    kl_coef: float = 0.0
    """Weight of the divergence from the policy that the phase began with, per token."""
    cotraining: Imitation | None = None
    """What is learned from demonstrations beside the policy's own episodes."""
    recording: Recording | None = None
    """Where these are recorded; none: the simulator's expert plays them."""

    def __post_init__(self) -> None:
        require(self, "group_size", low=2)
        require(self, "batch_size micro_batch_size epochs minibatches dual_clip", low=1)
        require(self, "lr weight_decay entropy_coef epsilon max_grad_norm clip_high", low=0)
        require(self, "kl_coef", low=0)
        require(self, "clip_low gamma", low=0, high=1)
        self._require_whole_groups()
        if self.filter_low > self.filter_high:
            raise ValueError(
                f"filter_low must be at most filter_high, {self.filter_high}, got {self.filter_low}"
            )
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
        self._relative = Relative(
            mean_level=self.mean_level,
            std_level=self.std_level,
            leave_one_out=self.leave_one_out,
            epsilon=self.epsilon,
        )

    def _require_whole_groups(self) -> None:
        for name in ("group_size", "minibatches"):
            size = getattr(self, name)
            if self.batch_size % size:
                raise ValueError(f"{name} must divide batch_size, {self.batch_size}, got {size}")

    @property
    def demonstrations(self) -> int:
        """None: the policy's own episodes are learned from."""
        return 0

    @property
    def grouping(self) -> Grouping:
        """Groups of one start; if `filter` is `resample`, those within bounds."""
        if self.filter != "resample":
            return Grouping(size=self.group_size)
        return Grouping(size=self.group_size, low=self.filter_low, high=self.filter_high)

    @property
    def normalised(self) -> Sequence[str]:
        """Nothing: advantages are relative already."""
        return ()

    def check(self, spec: SimulatorSpec, model: Mapping[str, Field]) -> None:
        """Raise ValueError for zero exploration noise or a model without log-probabilities."""
        del spec
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, got {self.temperature}: zero noise")
        if "log_prob" not in model:
            raise ValueError("ratio_level needs a model that records log_prob")
        self._staleness.check(self.ratio_level, model)

    @property
    def compared(self) -> Mapping[str, Proximal]:
        """The proximal policy and, if there is a penalty, the reference policy."""
        return self._staleness.compared

    def parameter_groups(self, policy: nn.Module) -> list[dict[str, object]]:
        """Return the trainable parameters but a critic's, which no loss here has a gradient for."""
        options = {"weight_decay": self.weight_decay}
        return parameter_groups(policy, lr=self.lr, value_lr=None, options=options)

    def lr_scale(self, update: int) -> float:
        """Return 1: the learning rate is constant."""
        del update
        return 1.0

    def targets(self, segment: Arrays, bootstrap: NDArray[np.float32]) -> Arrays:
        """Return nothing: an episode alone has no advantage."""
        del segment, bootstrap
        return {}

    @property
    def whole(self) -> bool:
        """Whether anything is taken among the whole batch, or counted there."""
        return self.aggregation == "token" or "batch" in (self.mean_level, self.std_level)

    def complete(self, rows: Arrays, policy: Policy) -> Arrays:
        """Return `advantage`, float32 [N, 1], and `weight`, float32 [N].

        The weights of an episode add up to 1 (`aggregation: trajectory`), those of the batch to
        the number of its episodes, so that the sum over a batch divided by that is the mean.
        """
        del policy
        _, first, episode = np.unique(rows["segment"], return_index=True, return_inverse=True)
        rewards = np.where(rows["valid"], rows["reward"], 0.0).sum(1, dtype=np.float64)
        returns, groups = np.bincount(episode, rewards), rows["group"][first]
        if self.supervision == "process":
            paid = self._relative.of(rewards, rows["group"])
            advantage = _sums(paid, episode, self.gamma)
        else:
            discount = self.gamma ** (np.arange(len(episode)) - first[episode])
            scores = np.bincount(episode, discount * rewards)
            advantage = self._relative.of(scores, groups)[episode]
        weight = self._passing(returns, groups)[episode] * self._shares(rows["valid"], episode)
        given = {"advantage": advantage[:, None], "weight": weight}
        return {name: one.astype(np.float32) for name, one in given.items()}

    def _shares(self, valid: Array, episode: Array) -> NDArray[np.float64]:
        """Return what part each decision is of its episode, or of the batch in episodes."""
        actions = valid.sum(1, dtype=np.float64)
        whole = np.bincount(episode, actions)
        if self.aggregation == "token":
            whole = np.full_like(whole, whole.mean())
        shares: NDArray[np.float64] = actions / whole[episode]
        return shares

    def _passing(self, returns: Array, groups: Array) -> Array:
        """Return for each episode whether it is trained on."""
        if self.filter != "mask":
            return np.ones(len(returns), np.bool_)
        _, group = np.unique(groups, return_inverse=True)
        means = (np.bincount(group, returns) / np.bincount(group))[group]
        return (self.filter_low <= means) & (means <= self.filter_high)

    def loss(
        self, policy: Policy, batch: Arrays, moment: Moment
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss of each decision [B] and metrics of each decision [B]."""
        scores = policy.evaluate(batch)
        advantage, weight = (
            recorded(name, batch, scores.log_prob) for name in ("advantage", "weight")
        )
        total, metrics = self._policy_loss.of(scores, advantage, batch, moment)
        return weight * total, {name: one.detach() for name, one in metrics.items()}


def _sums(paid: Array, episode: Array, gamma: float) -> NDArray[np.float64]:
    """Return the discounted sum of what each decision and its episode's later ones are paid."""
    sums = paid.astype(np.float64)
    for row in range(len(sums) - 2, -1, -1):
        if episode[row] == episode[row + 1]:
            sums[row] += gamma * sums[row + 1]
    return sums
