"""The task of the stale bandit: contexts, what they ask for, and batches that come late."""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from bandit_policy import CONTEXT, TOKENS, VALUES, BanditPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from rlvla.core.types import Array, Arrays

    See: TypeAlias = Callable[[Arrays, int], Arrays]

GROUPS, MEMBERS, PARTS, LR, IMITATIONS, ENOUGH = 64, 8, 4, 3e-3, 25, 3
PART = GROUPS * MEMBERS // PARTS


class Bandit:
    """The task of each seed, and decisions on it."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._random = [np.random.default_rng(seed) for seed in seeds]
        shape = (TOKENS, VALUES, CONTEXT)
        self._linear = np.stack([one.normal(size=shape) for one in self._random])

    def contexts(self, count: int) -> NDArray[np.float32]:
        """Return contexts for each seed, [seeds, count, CONTEXT]."""
        drawn = [one.normal(size=(count, CONTEXT)) for one in self._random]
        return np.stack(drawn).astype(np.float32)

    def targets(self, contexts: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the right tokens, [seeds, count, TOKENS]."""
        return np.einsum("stvc,snc->sntv", self._linear, contexts).argmax(-1)

    def noise(self, count: int) -> NDArray[np.float32]:
        """Return Gumbel noise for each token's values, [seeds, count, TOKENS, VALUES]."""
        drawn = [one.gumbel(size=(count, TOKENS, VALUES)) for one in self._random]
        return np.stack(drawn).astype(np.float32)

    def decide(self, policy: BanditPolicy) -> tuple[list[dict[str, Array]], NDArray[np.float64]]:
        """Return a batch in its minibatches, and the success of each seed."""
        parts: list[dict[str, Array]] = []
        right = np.zeros(len(self._random))
        for _ in range(PARTS):
            context = self.contexts(PART // MEMBERS).repeat(MEMBERS, 1)
            decided = policy.draw(context, self.noise(PART))
            hits = (decided["tokens"].reshape(-1, PART, TOKENS) == self.targets(context)).sum(-1)
            score = (hits >= ENOUGH).astype(np.float32)
            right += score.mean(1) / PARTS
            parts.append({**decided, "advantage": normalised(score)})
        return parts, right


def normalised(score: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scores [seeds, PART] as advantages within their groups, [rows, 1]."""
    groups = score.reshape(-1, MEMBERS)
    spread = groups.std(1, ddof=1, keepdims=True)
    return ((groups - groups.mean(1, keepdims=True)) / (spread + 1e-6)).reshape(-1, 1)


def imitate(policy: BanditPolicy, bandit: Bandit) -> None:
    """Teach the right tokens for a little while."""
    optimizer = torch.optim.Adam(policy.module.parameters(), LR)
    for _ in range(IMITATIONS):
        context = bandit.contexts(PART)
        tokens = bandit.targets(context).reshape(-1, 1, TOKENS)
        scores = policy.evaluate({"proprio": context.reshape(-1, CONTEXT), "tokens": tokens})
        optimizer.zero_grad()
        torch.autograd.backward(-scores.log_prob.sum() / PART)
        optimizer.step()


def stale(
    bandit: Bandit, policy: BanditPolicy, staleness: int, see: See
) -> Iterator[tuple[list[dict[str, Array]], NDArray[np.float64]]]:
    """Yield batches that were made `staleness` versions ago, and the success of the present one.

    The caller makes one version between two batches; the first ones are all of version 0. What
    `see` finds of a batch while its version lasts waits with it.
    """
    waiting: deque[list[dict[str, Array]]] = deque()
    for version in count(-staleness):
        parts, right = bandit.decide(policy)
        made = {"version": np.full(len(parts[0]["tokens"]), max(version, 0))}
        waiting.append([{**part, **made, **see({**part, **made}, version)} for part in parts])
        if len(waiting) > staleness:
            yield waiting.popleft(), right
