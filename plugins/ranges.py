"""Ranges of options."""

from __future__ import annotations

import math


def require(options: object, names: str, *, low: float, high: float = math.inf) -> None:
    """Raise ValueError unless each of the options, named in one string, lies within the bounds.

    An option that is None is switched off and passes; one that is NaN does not.
    """
    for name in names.split():
        value = getattr(options, name)
        if value is None or low <= value <= high:
            continue
        expected = f"at least {low}" if high == math.inf else f"between {low} and {high}"
        raise ValueError(f"{name} must be {expected}, got {value}")
