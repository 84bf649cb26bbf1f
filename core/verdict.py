"""What bounds the throughput of a run, how near it comes, and which setting to change.

A group of workers that never waited would let `throughput / busy` decisions through each second.
The smallest of these is the bound, its group is the critical one, and its busy share is the share
of the bound that the run reaches.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rlvla.core.advice import RULES, SATURATED, SATURATION, busiest, named, percent, resources
from rlvla.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rlvla.core.trace import Span
    from rlvla.core.usage import Group


@dataclass(frozen=True)
class Verdict:
    """The judgement on a trace."""

    usage: Usage
    critical: Group

    @property
    def throughput(self) -> float:
        """Decisions per second."""
        return self.usage.decisions / self.usage.seconds if self.usage.seconds else 0.0

    @property
    def bound(self) -> float:
        """Decisions per second if the critical group never waited."""
        return self.throughput / self.critical.busy if self.critical.busy else 0.0

    @property
    def lines(self) -> list[str]:
        """The verdict in words."""
        return [*self._bounded(), *self._advice(), *self._next()]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data."""
        groups = self.usage.groups.values()
        return {
            "spans": len(self.usage.spans),
            "seconds": self.usage.seconds,
            "decisions": self.usage.decisions,
            "decisions_per_s": self.throughput,
            "critical": self.critical.name,
            "bound_per_s": self.bound,
            "reached": self.critical.busy,
            "groups": {one.name: {**asdict(one), "rest": one.rest} for one in groups},
            "batch_sizes": dict(sorted(self.usage.batch_sizes.items())),
            "staleness": dict(sorted(self.usage.staleness.items())),
            "verdict": self.lines,
        }

    def _bounded(self) -> Iterator[str]:
        name, busy = named(self.critical), self.critical.busy
        if busy >= SATURATED:
            yield f"The bottleneck: {name} busy {percent(busy)} of the time."
        else:
            yield f"Nothing is saturated: even {name} busy only {percent(busy)}."
        yield (
            f"{self.throughput:.4g} decisions/s are {percent(busy)} of the "
            f"{self.bound:.4g} that would be reached if nothing ever kept the "
            f"{self.critical.name} waiting."
        )

    def _advice(self) -> Iterator[str]:
        if self.critical.busy >= SATURATED:
            yield SATURATION[self.critical.name](self.usage)
            return
        found = [line for rule in RULES if (line := rule(self.usage))]
        yield from found or [
            "The lanes spend their time on decisions and steps one after the other, and too few "
            "do so at once: raise simulator.lanes."
        ]

    def _next(self) -> Iterator[str]:
        others = [one for one in resources(self.usage) if one is not self.critical and one.busy]
        if self.critical.busy >= SATURATED and others:
            second = busiest(others)
            yield (
                f"Without this bottleneck {named(second)} the next, at "
                f"{self.throughput / second.busy:.4g} decisions/s "
                f"({self.critical.busy / second.busy:.2g} times the present bound)."
            )


def judge(spans: Sequence[Span]) -> Verdict:
    """Return the verdict on a trace; raise ValueError if nobody worked in it."""
    usage = Usage(spans)
    found = resources(usage) if spans else []
    if not found:
        raise ValueError("spans show nobody at work")
    return Verdict(usage, busiest(found))
