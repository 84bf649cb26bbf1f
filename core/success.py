"""The success rate of a policy, with how sure one can be of it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rlvla.core.types import Split


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson score interval of a success probability; `z` = 1.96 covers 95 %.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    Unlike the normal approximation it is sensible at 0 and at all successes.
    """
    if trials < 1:
        raise ValueError(f"trials must be at least 1, got {trials}")
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must be from 0 to {trials}, got {successes}")
    rate, shrink = successes / trials, 1 + z * z / trials
    middle = (rate + z * z / (2 * trials)) / shrink
    spread = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials**2)) / shrink
    low = 0.0 if successes == 0 else middle - spread
    high = 1.0 if successes == trials else middle + spread
    return low, high


@dataclass(frozen=True)
class TaskTally:
    """What came of the episodes of one task."""

    successes: int
    episodes: int
    steps: int
    """Actions executed, over all episodes."""

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.episodes:
            raise ValueError(f"successes must be from 0 to {self.episodes}, got {self.successes}")


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The record of one evaluation."""

    protocol: str
    """Name and version of how it was measured, like `tabletop/reach@v1`."""
    version: int
    """Of the weights that were evaluated."""
    split: Split
    """Which starts the episodes began from."""
    tasks: Mapping[str, TaskTally]

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ValueError(f"the evaluation {self.protocol!r} needs at least one episode")

    @classmethod
    def count(
        cls,
        episodes: Iterable[tuple[str, bool, int]],
        *,
        protocol: str,
        version: int,
        split: Split = "eval",
    ) -> Tally:
        """Return the record of episodes given as task, success and length in actions."""
        tasks: dict[str, TaskTally] = {}
        for task, success, steps in episodes:
            so_far = tasks.get(task, TaskTally(0, 0, 0))
            tasks[task] = TaskTally(
                so_far.successes + success, so_far.episodes + 1, so_far.steps + steps
            )
        return cls(protocol=protocol, version=version, split=split, tasks=tasks)

    @classmethod
    def from_json(cls, record: Mapping[str, object]) -> Tally:
        """Return the tally that `to_json` made `record` from; raise ValueError if it did not."""
        try:
            fields = cast("dict[str, Any]", record)
            tasks = {name: TaskTally(**_counts(task)) for name, task in fields["tasks"].items()}
            protocol, version = str(fields["protocol"]), int(fields["version"])
            return cls(protocol=protocol, version=version, split=fields["split"], tasks=tasks)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not the record of an evaluation: {error!r}") from None

    @property
    def successes(self) -> int:
        """Over all tasks."""
        return sum(task.successes for task in self.tasks.values())

    @property
    def episodes(self) -> int:
        """Over all tasks."""
        return sum(task.episodes for task in self.tasks.values())

    @property
    def mean_steps(self) -> float:
        """Mean length of an episode, in actions."""
        return sum(task.steps for task in self.tasks.values()) / self.episodes

    @property
    def rate(self) -> float:
        """Share of episodes that succeeded, 0 to 1."""
        return self.successes / self.episodes

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson interval of the rate at 95 %."""
        return wilson(self.successes, self.episodes)

    def to_json(self) -> dict[str, object]:
        """Return the record as plain data, with what follows from it for readers without rlvla."""
        return {
            "protocol": self.protocol,
            "version": self.version,
            "split": self.split,
            "tasks": {name: asdict(task) for name, task in self.tasks.items()},
            "successes": self.successes,
            "episodes": self.episodes,
            "rate": self.rate,
            "interval": list(self.interval),
            "mean_steps": self.mean_steps,
        }

    def line(self) -> str:
        """Return the result in words: `success 46/50 = 92 % (95 % interval 81 to 97)`."""
        low, high = self.interval
        return (
            f"success {self.successes}/{self.episodes} = {100 * self.rate:.0f} % "
            f"(95 % interval {100 * low:.0f} to {100 * high:.0f})"
        )


def _counts(task: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(task[name]) for name in ("successes", "episodes", "steps")}
