"""What goes wrong, how often: drawn from a seed between the pipeline and a worker."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

PROBABILITIES = ("crash", "hang", "slow", "error", "lost", "unanswered", "duplicated", "late")


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Probabilities per call, and what the faults are like."""

    crash: float = 0.0
    """The worker dies in the middle of the call."""
    hang: float = 0.0
    """The worker never finishes the call."""
    slow: float = 0.0
    """The call takes `slow_factor` times as long."""
    slow_factor: float = 10.0
    """How many times as long a slow call takes."""
    error: float = 0.0
    """A simulator raises: the episode is lost, the worker stays."""
    lost: float = 0.0
    """The call does not reach the worker."""
    unanswered: float = 0.0
    """The answer does not come back."""
    duplicated: float = 0.0
    """The answer comes twice."""
    late: float = 0.0
    """The answer comes late, after those of later calls."""
    late_s: float = 1.0
    """How late an answer may be: uniformly up to so many seconds."""
    trainer: bool = False
    """Also the trainer is hit, which ends the run; otherwise only its answers are."""
    laggards: tuple[int, ...] = ()
    """Simulator workers of each cell that take `lag` times as long for everything."""
    lag: float = 10.0
    """See `laggards`."""
    leak_gib: float = 0.0
    """Memory that a simulator worker keeps of every episode that it begins."""
    until_s: float | None = None
    """Nothing goes wrong after so many seconds of virtual time, but laggards stay."""

    def __post_init__(self) -> None:
        for name in PROBABILITIES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {getattr(self, name)}")
        total = sum(getattr(self, name) for name in PROBABILITIES)
        if total > 1:
            raise ValueError(f"crash and the other probabilities must not exceed 1, got {total}")
        for name in ("slow_factor", "late_s", "lag", "leak_gib"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")

    @cached_property
    def none(self) -> bool:
        """Whether nothing can go wrong."""
        return not any(getattr(self, name) for name in PROBABILITIES)

    def draw(self, dice: random.Random, role: str, time: float) -> str:
        """Return what happens to a call: the name of a probability, or nothing."""
        if self.until_s is not None and time >= self.until_s:
            return ""
        fate = self._fate(dice.random())
        if role == "trainer" and not self.trainer and fate not in ("", "duplicated", "late"):
            return ""
        return "" if fate == "error" and role != "shard" else fate

    def _fate(self, draw: float) -> str:
        for name in PROBABILITIES:
            draw -= getattr(self, name)
            if draw < 0:
                return name
        return ""
