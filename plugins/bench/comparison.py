"""What measurements of the same work say about each other."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from rlvla.plugins.bench.schedules import BASELINE, PIPELINED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.plugins.bench.measurement import Measurement


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of some values."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of one value or more."""
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True)
class Line:
    """One schedule over all repetitions."""

    schedule: str
    decisions_per_s: Spread
    steps_per_s: float
    """Mean."""
    speedup: Spread | None
    """Over the vectorised baseline, each repetition against its own."""
    over_pipelined: Spread | None
    """Over the best pipelined synchronous schedule of the same repetition."""
    bound: float
    """Decisions per second if the bottleneck never waited; the mean."""
    bound_share: Spread
    bottleneck: str
    """What is busiest in most repetitions."""
    busy: dict[str, float]
    """Mean share of the time that each resource is in use."""
    staleness: float


def compare(repetitions: Sequence[Sequence[Measurement]]) -> list[Line]:
    """Return a line for each schedule, in the order in which they were run."""
    grouped: defaultdict[str, list[Measurement]] = defaultdict(list)
    for repetition in repetitions:
        for one in repetition:
            grouped[one.schedule].append(one)
    return [_line(repetitions, schedule, own) for schedule, own in grouped.items()]


def to_json(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Return the lines as plain data."""
    return [asdict(line) for line in lines]


def _line(
    repetitions: Sequence[Sequence[Measurement]], schedule: str, own: Sequence[Measurement]
) -> Line:
    bottlenecks = [one.bottleneck for one in own]
    return Line(
        schedule=schedule,
        decisions_per_s=Spread.of([one.decisions_per_s for one in own]),
        steps_per_s=fmean(one.steps_per_s for one in own),
        speedup=_ratio(repetitions, schedule, (BASELINE,)),
        over_pipelined=_ratio(repetitions, schedule, PIPELINED),
        bound=fmean(one.bound for one in own),
        bound_share=Spread.of([one.decisions_per_s / one.bound for one in own]),
        bottleneck=max({*bottlenecks}, key=bottlenecks.count),
        busy={name: fmean(one.busy[name] for one in own) for name in own[0].busy},
        staleness=fmean(one.staleness for one in own),
    )


def _ratio(
    repetitions: Sequence[Sequence[Measurement]], schedule: str, rivals: Sequence[str]
) -> Spread | None:
    ratios: list[float] = []
    for repetition in repetitions:
        rates = {one.schedule: one.decisions_per_s for one in repetition}
        measured = [rates[rival] for rival in rivals if rival in rates]
        if measured and schedule in rates:
            ratios.append(rates[schedule] / max(measured))
    return Spread.of(ratios) if ratios else None
