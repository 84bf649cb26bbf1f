"""How fast each lane is, and which one keeps the others waiting.

Where lanes are stepped together, it is said of their shard.
"""

from __future__ import annotations

from statistics import median

from rlvla.core.clock import now
from rlvla.core.durations import Durations

STEPS = ("step", "step_batch")


class Pace:
    """Of one lane: from asking its simulator to the answer, other lanes of the worker included."""

    def __init__(self) -> None:
        self._before = Durations()
        self._recent: list[float] = []
        """Of steps since the last row; to sort them in now would hold up the lanes."""
        self._busy = 0.0
        self._since: float | None = None

    def worked(self, kind: str, began: float) -> None:
        """Note that a call of this kind began then and ends now."""
        seconds = now() - began
        if self._since is None:
            self._since = began
        self._busy += seconds
        if kind in STEPS:
            self._recent.append(seconds)

    def turn(self) -> Durations:
        """Begin a new row; return how long the steps of the last took."""
        recent, self._recent = Durations(self._recent), []
        self._before = Durations(parts=[self._before, recent])
        return recent

    @property
    def whole(self) -> Durations:
        """Of all steps."""
        return Durations(self._recent, parts=[self._before])

    @property
    def waiting(self) -> float:
        """Share of the time since its first call in which nothing was asked of the simulator."""
        if self._since is None:
            return 0.0
        return max(1 - self._busy / max(now() - self._since, 1e-9), 0.0)


class Paces:
    """Those of all lanes that train."""

    def __init__(self) -> None:
        self._paces: dict[int, Pace] = {}

    def of(self, number: int) -> Pace:
        """Return the pace of a lane, or of a shard whose lanes are stepped together."""
        return self._paces.setdefault(number, Pace())

    def row(self) -> dict[str, float]:
        """Return a summary of the steps since the last row, and begin a new one.

        The slowest is the one whose steps took longest in the mean.
        """
        turned = {number: one.turn() for number, one in self._paces.items()}
        recent = {number: steps for number, steps in turned.items() if steps.count}
        if not recent:
            return {}
        steps = Durations(parts=recent.values())
        slowest = max(recent, key=lambda number: recent[number].mean)
        usual = median(one.mean for one in recent.values())
        return {
            "pace/step_p50_ms": 1e3 * steps.quantile(0.5),
            "pace/step_p95_ms": 1e3 * steps.quantile(0.95),
            "pace/step_max_ms": 1e3 * steps.longest,
            "pace/slowest": slowest,
            "pace/slowest_ratio": recent[slowest].mean / max(usual, 1e-9),
        }

    def table(self) -> list[dict[str, float]]:
        """Return what is known of each lane since the start, the slowest first."""
        lines = [
            _line(number, pace, steps)
            for number, pace in self._paces.items()
            if (steps := pace.whole).count
        ]
        return sorted(lines, key=lambda line: -line["mean_ms"])


def _line(number: int, pace: Pace, steps: Durations) -> dict[str, float]:
    return {
        "lane": number,
        "steps": steps.count,
        "mean_ms": 1e3 * steps.mean,
        "p50_ms": 1e3 * steps.quantile(0.5),
        "p95_ms": 1e3 * steps.quantile(0.95),
        "max_ms": 1e3 * steps.longest,
        "waiting": pace.waiting,
    }
