"""Means over what was executed of a decision; what was not may hold NaN and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def executed(valid: Tensor, *, entries: int) -> Tensor:
    """Return which of a decision's `entries` were executed, [B, entries]; `valid` is bool [B, C].

    One entry stands for the whole chunk, of which the first action suffices; else there are C.
    """
    return valid.any(1, keepdim=True) if entries == 1 else valid


def blank(entries: Tensor, mask: Tensor) -> Tensor:
    """Return `entries`, zero and without gradient outside `mask`, which broadcasts to them."""
    return entries.where(mask, 0.0)


def mean(entries: Tensor, mask: Tensor) -> Tensor:
    """Return each decision's mean of the entries within `mask`, [B]; 0 if there is none."""
    count = mask.expand_as(entries).flatten(1).sum(1)
    return blank(entries, mask).flatten(1).sum(1) / count.clamp(min=1)
