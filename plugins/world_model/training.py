"""How the network learns from recorded episodes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from rlvla.plugins.world_model.network import Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from rlvla.plugins.world_model.network import Network, Predicted
    from rlvla.plugins.world_model.transitions import Transitions

HORIZON = 2
"""Actions that are imagined in a row, each from what came of the one before."""
BATCH = 32
LR = 5e-3
WARMUP = 50
"""Updates in which the learning rate rises; then it falls to 0 as half a cosine."""
CALM = 0.05
"""Weight of the pixels that nothing moves over: nearly all of an image."""
LEAST = 1e-6
"""Of a standard deviation, for what never changed."""


class Losses(NamedTuple):
    """Of one action each, means over those that were taken."""

    image: Tensor
    """Squared error of colours; most of the weight is on those that change."""
    proprio: Tensor
    """Squared error, in units of the recorded changes."""
    reward: Tensor
    """Squared error, given whether the action achieved the task, in units of those recorded."""
    success: Tensor
    """Cross-entropy."""

    def total(self) -> Tensor:
        """Return what is descended on; the weights bring all parts to a like size."""
        return 200 * self.image + 0.1 * self.proprio + self.reward + 2 * self.success


def learn(
    network: Network,
    data: Transitions,
    *,
    updates: int,
    seed: int,
    tell: Callable[[int, Losses], None],
) -> None:
    """Train the network in place; `tell` hears the losses of every update."""
    acted, random = data.acted(), np.random.default_rng(seed)
    _scale(network, data)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR)
    for update in range(updates):
        for group in optimizer.param_groups:
            group["lr"] = LR * _pace(update, updates)
        at = acted[torch.from_numpy(random.integers(len(acted), size=BATCH))]
        found = [
            losses_of(network, predicted, data, frames)
            for frames, predicted in imagined(network, data, at, horizon=HORIZON)
        ]
        losses = Losses(*(torch.stack(each).mean() for each in zip(*found, strict=True)))
        optimizer.zero_grad()
        torch.autograd.backward(losses.total())
        clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        tell(update, losses)


def imagined(
    network: Network, data: Transitions, at: Tensor, *, horizon: int
) -> Iterator[tuple[Tensor, Predicted]]:
    """Imagine up to `horizon` recorded actions in a row from each of these frames.

    Yield, action after action, the frames whose episodes go on and what is predicted of their
    action, each from what was predicted before.
    """
    seen = data.seen(at)
    for _ in range(horizon):
        predicted: Predicted = network(seen, data.action[at])
        yield at, predicted
        goes_on = data.left[at] > 1
        if not goes_on.any():
            return
        at = at[goes_on] + 1
        kept = seen.first, predicted.images, predicted.proprio.detach(), seen.words
        seen = Seen(*(rows[goes_on] for rows in kept))


def losses_of(network: Network, predicted: Predicted, data: Transitions, at: Tensor) -> Losses:
    """Compare what is predicted of the actions at these frames with what came of them."""
    after, success = data.shown(at + 1), data.success[at]
    weight = torch.where(data.moved(at)[:, None], 1.0, CALM)
    outcome = success.long()
    reward = predicted.reward.gather(1, outcome[:, None])[:, 0]
    return Losses(
        image=((predicted.images - after).square() * weight).mean(),
        proprio=_squared(predicted.proprio - data.proprio[at + 1], network.motion.spread),
        reward=_squared(reward - data.reward[at], network.judge.spread[outcome]),
        success=functional.binary_cross_entropy_with_logits(predicted.success, success.float()),
    )


def _squared(error: Tensor, spread: Tensor) -> Tensor:
    return (error / spread).square().mean()


def _scale(network: Network, data: Transitions) -> None:
    """Tell the network in which units what it predicts was recorded."""
    acted = data.acted()
    changes = data.proprio[acted + 1] - data.proprio[acted]
    network.motion.spread.copy_(changes.std(0).clamp(min=LEAST))
    for outcome in (0, 1):
        paid = data.reward[acted][data.success[acted] == outcome]
        if len(paid) > 1:
            network.judge.usual[outcome] = paid.mean()
            network.judge.spread[outcome] = paid.std().clamp(min=LEAST)


def _pace(update: int, updates: int) -> float:
    """Return the learning rate's share of its largest."""
    rise = min(1.0, (update + 1) / WARMUP)
    return rise * 0.5 * (1 + math.cos(math.pi * update / updates))
