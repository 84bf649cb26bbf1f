"""Neighbours together: numbers dealt out in consecutive blocks of almost equal size."""

from __future__ import annotations


def blocks(count: int, parts: int) -> tuple[int, ...]:
    """Return the part, from 0, of each of `count` things; the first parts are larger by one."""
    size, larger = divmod(count, parts)
    return tuple(part for part in range(parts) for _ in range(size + (part < larger)))


def check_parts(name: str, parts: int, lanes: int) -> None:
    """Raise ValueError, at the option `name`, unless each of the parts gets a lane."""
    if parts > lanes:
        raise ValueError(f"{name} must be at most the number of lanes, {lanes}, got {parts}")
