"""Means over what was executed of a decision; what was not may hold NaN and changes nothing.

A mask of None says that everything was executed, which most batches are made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def executed(valid: Tensor | None, *, entries: int) -> Tensor | None:
    """Return which of a decision's `entries` were executed, [B, entries]; `valid` is bool [B, C].

    One entry stands for the whole chunk, of which the first action suffices; else there are C.
    """
    if valid is None:
        return None
    return valid.any(1, keepdim=True) if entries == 1 else valid


def blank(entries: Tensor, mask: Tensor | None) -> Tensor:
    """Return `entries`, zero and without gradient outside `mask`.

    `mask` [B, entries] broadcasts over what dimensions `entries` has beyond that.
    """
    return entries if mask is None else entries.where(_fitted(mask, entries), 0.0)


def mean(entries: Tensor, mask: Tensor | None) -> Tensor:
    """Return each decision's mean of the entries within `mask`, [B]; 0 if there is none."""
    if mask is None:
        return entries.flatten() if entries.numel() == len(entries) else entries.flatten(1).mean(1)
    count = _fitted(mask, entries).expand_as(entries).flatten(1).sum(1)
    return blank(entries, mask).flatten(1).sum(1) / count.clamp(min=1)


def _fitted(mask: Tensor, entries: Tensor) -> Tensor:
    return mask[(...,) + (None,) * (entries.ndim - mask.ndim)]
