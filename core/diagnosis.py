"""What `rlvla doctor` finds out about a machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One line of it."""

    part: str
    """Heading under which it stands."""
    name: str
    works: bool | None
    """None: nothing was tried."""
    told: str
    """What was found, in one line."""
    advice: str = ""
    """What to do if it does not work and `told` does not say so."""
