"""What PPO learns from: an advantage and a value target for each step of a segment."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from rlvla.plugins.algorithms.gae import gae
from rlvla.plugins.algorithms.steps import Steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Array, Arrays
    from rlvla.plugins.algorithms.steps import ChunkDiscount
    from rlvla.plugins.algorithms.vtrace import VTrace

Estimator: TypeAlias = Literal["gae", "vtrace"]


@dataclass(frozen=True, kw_only=True)
class Estimation:
    """How rewards and values become advantages."""

    estimator: Estimator
    gamma: float
    gae_lambda: float
    chunk_discount: ChunkDiscount
    reward_scale: float
    vtrace: VTrace
    rows: int
    """Decisions that the policy scores at once."""

    def targets(self, segment: Arrays, bootstrap: NDArray[np.float32]) -> dict[str, Array]:
        """Return `advantage` and `return`, float32 [L, V], if the record suffices for them."""
        if self.estimator == "vtrace":
            return {"bootstrap": bootstrap}
        steps = self._steps(segment, segment["value"], bootstrap)
        advantage = gae(steps, self.gae_lambda)
        return _float32({"advantage": advantage, "return": advantage + segment["value"]})

    def complete(self, rows: Arrays, policy: Policy) -> dict[str, Array]:
        """Return `advantage`, `return` and `value`, float32 [N, V], under the present weights."""
        value, ratio = self._scored(rows, policy)
        targets: list[tuple[Array, Array]] = []
        for part in _segments(rows["segment"]):
            segment = {name: rows[name][part] for name in _RECORD}
            steps = self._steps(segment, value[part], rows["bootstrap"][part])
            targets.append(self.vtrace.of(steps, ratio[part]))
        advantage, target = map(np.concatenate, zip(*targets, strict=True))
        return _float32({"advantage": advantage, "return": target, "value": value})

    def _steps(self, segment: Arrays, value: Array, bootstrap: Array) -> Steps:
        scaled = {**segment, "reward": self.reward_scale * segment["reward"]}
        return Steps.of(
            scaled, value, bootstrap, gamma=self.gamma, chunk_discount=self.chunk_discount
        )

    def _scored(self, rows: Arrays, policy: Policy) -> tuple[Array, Array]:
        """Return the value and the ratio of each step, [N, V], in passes of a micro-batch."""
        import torch

        values: list[Array] = []
        ratios: list[Array] = []
        for first in range(0, len(rows["segment"]), self.rows):
            part = {name: one[first : first + self.rows] for name, one in rows.items()}
            with torch.no_grad():
                scores = policy.evaluate(part)
            values.append(scores.value.float().cpu().numpy())
            change = scores.log_prob.double().cpu().numpy() - part["log_prob"]
            ratios.append(_ratio(change, part["valid"], width=values[-1].shape[1]))
        return np.concatenate(values), np.concatenate(ratios)


_RECORD = ("reward", "terminated", "truncated", "valid")


def _ratio(change: Array, valid: Array, *, width: int) -> Array:
    """Return the ratio of each action, or of what was executed of each chunk if `width` is 1."""
    change = np.where(valid, change.sum(2), 0.0)
    if width == 1:
        change = change.sum(1, keepdims=True)
    ratio: Array = np.exp(change.clip(-20, 20))
    return ratio


def _segments(numbers: Array) -> list[slice]:
    """Return where each segment is; its rows are neighbours."""
    cuts = np.flatnonzero(np.diff(numbers)) + 1
    edges = [0, *cuts.tolist(), len(numbers)]
    return [slice(first, end) for first, end in pairwise(edges)]


def _float32(arrays: Arrays) -> dict[str, Array]:
    return {name: one.astype(np.float32) for name, one in arrays.items()}
