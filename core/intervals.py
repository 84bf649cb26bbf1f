"""Stretches of time: what they cover together, and what of them others leave free."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Interval: TypeAlias = tuple[float, float]
"""Begin and end, in seconds."""

Cover: TypeAlias = list[Interval]
"""Intervals in order that do not touch each other."""


def union(intervals: Iterable[Interval]) -> Cover:
    """Return what the intervals cover together; those without length cover nothing."""
    cover: Cover = []
    for began, ended in sorted(intervals):
        if ended <= began:
            continue
        if cover and began <= cover[-1][1]:
            cover[-1] = (cover[-1][0], max(cover[-1][1], ended))
        else:
            cover.append((began, ended))
    return cover


def without(cover: Cover, other: Cover) -> Cover:
    """Return what `cover` covers and `other` does not."""
    left: Cover = []
    holes = iter(other)
    hole = next(holes, None)
    for began, ended in cover:
        start = began
        while hole is not None and hole[0] < ended:
            if hole[0] > start:
                left.append((start, hole[0]))
            start = max(start, hole[1])
            if hole[1] > ended:
                break
            hole = next(holes, None)
        if start < ended:
            left.append((start, ended))
    return left


def clipped(intervals: Iterable[Interval], window: Interval) -> Iterator[Interval]:
    """Yield the parts of the intervals that lie in `window`."""
    for began, ended in intervals:
        inside = max(began, window[0]), min(ended, window[1])
        if inside[0] < inside[1]:
            yield inside


def length(cover: Cover) -> float:
    """Return the seconds that are covered."""
    return sum(ended - began for began, ended in cover)
