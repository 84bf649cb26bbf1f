"""What has a weight of its own: a token, an action or the whole chunk."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Level: TypeAlias = Literal["token", "action", "chunk"]
ORDER = ("token", "action", "chunk")
OUT = -math.inf
"""The logarithm of a weight that takes part in nothing."""


def require_coarser(level: Level | None, ratio: str) -> None:
    """Raise ValueError if weights would be finer than the ratios that they are multiplied with."""
    if level is not None and ORDER.index(level) < ORDER.index(ratio):
        raise ValueError(f"level {level!r} is finer than ratio_level {ratio!r}")


def summed(log_weight: Tensor, level: Level | None) -> Tensor:
    """Return the logarithms of the products at a level, [B, C, K], [B, C, 1] or [B, 1, 1].

    `log_weight` is as in `Correction.bounded`; None leaves it as it is.
    """
    if level in ("action", "chunk"):
        log_weight = log_weight.sum(2, keepdim=True)
    return log_weight.sum(1, keepdim=True) if level == "chunk" else log_weight


def fitted(valid: Tensor | None, entries: Tensor) -> Tensor:
    """Return which of the entries count, bool like `entries`; `valid` is bool [B, C]."""
    if valid is None:
        return entries.new_ones(entries.shape).bool()
    mask = valid.any(1, keepdim=True) if entries.shape[1] == 1 else valid
    return mask[:, :, None].expand_as(entries)
