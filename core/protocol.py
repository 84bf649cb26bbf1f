"""Evaluation protocols: which episodes measure success, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class EvaluationProtocol:
    """What must be equal so that two success rates can be compared.

    Decoding is greedy. Of each task the evaluation starts with the indices from 0 to
    `episodes` - 1 are played, each once.
    """

    name: str
    """Name and version, as `libero_10@v1`; whatever can change a rate needs another version."""
    tasks: tuple[str, ...]
    episodes: int
    """Per task."""
    max_steps: int
    """Actions after which an episode that has not succeeded is a failure."""
    origin: str = ""
    """Who publishes rates that were measured so."""

    def __post_init__(self) -> None:
        if len({*self.tasks}) != len(self.tasks) or not self.tasks:
            raise ValueError(f"tasks must name each task once, got {list(self.tasks)}")
        for name in ("episodes", "max_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def total(self) -> int:
        """Episodes over all tasks."""
        return self.episodes * len(self.tasks)

    def first(self, episodes: int) -> EvaluationProtocol:
        """Return the same with only so many episodes per task, under a name that says so."""
        if episodes == self.episodes:
            return self
        if episodes > self.episodes:
            raise ValueError(
                f"episodes: {self.name} has {self.episodes} per task, {episodes} are asked for"
            )
        return replace(self, name=f"{self.name}, first {episodes} of each task", episodes=episodes)
