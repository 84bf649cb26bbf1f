"""What a look at a manifest finds, and how numbers are told."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that was looked at."""

    fits: bool
    text: str


def counted(number: int, noun: str, told: str = "") -> str:
    """Return a number, or what is `told` for it, with its noun: `1 lane`, `2 lanes`."""
    return f"{told or number} {noun}{'' if number == 1 else 's'}"


def sized(count: float) -> str:
    """Return a number of bytes as text."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
