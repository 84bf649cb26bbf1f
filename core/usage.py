"""How much of its time each group of a run worked and what it waited for, by its trace."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from rlvla.core.intervals import clipped, length, union, without
from rlvla.core.trace import AGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rlvla.core.intervals import Cover, Interval
    from rlvla.core.trace import Span

WARM_UP = 1
"""Updates to leave out: the first one fills the pipeline, and kernels are compiled in it."""
SETTLED = 3
"""Updates that must be left after them; else the whole training is measured, start and end too."""

WORK: Mapping[str, tuple[str, ...]] = {
    "simulators": ("step", "reset"),  # or `step_batch`, see `_working`
    "generators": ("infer",),
    "trainer": ("accumulate", "foresee", "update"),
    "publication": ("publish",),
    "lanes": ("step", "reset"),
}
"""What each group is for. The lanes' work is the simulators', with the time they queue for it."""
WAITS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "simulators": {
        "decisions": ("request",),
        "admission": ("admit",),
        "other lanes": ("step", "reset"),  # of a batched simulator, until all of them ask
    },
    "generators": {"the batch": ("batch",)},
    "trainer": {"segments": ("starve",)},
    "publication": {},
    "lanes": {"decisions": ("request",), "admission": ("admit",)},
}
"""What each group waits for. A moment that fits several counts for the first of them."""

Members: TypeAlias = "dict[int, dict[str, list[Interval]]]"
"""Member of a group to the kinds of its spans to their intervals."""


@dataclass(frozen=True)
class Group:
    """The members of a group on average; shares are of the time measured, from 0 to 1."""

    name: str
    size: int
    busy: float
    peak: float
    """Busy share of the busiest member."""
    waits: Mapping[str, float]
    """What it waited for, and for which share of its time."""

    @property
    def rest(self) -> float:
        """Share that no span explains."""
        return max(1 - self.busy - sum(self.waits.values()), 0.0)


@dataclass(frozen=True)
class Usage:
    """The time that is measured and everything that happened in it."""

    spans: Sequence[Span]

    @cached_property
    def window(self) -> Interval:
        """Begin and end: whole updates, from the end of one to that of the last, if possible."""
        learner = [span for span in self.spans if span.kind in ("starve", "accumulate")]
        measured = learner or self.spans
        first = min(span.began for span in measured)
        updates = [s for s in self.spans if s.kind == "update" and s.began >= first]
        last = max(span.ended for span in [*measured, *updates])
        ends = sorted(span.ended for span in updates)
        if len(ends) >= WARM_UP + SETTLED:
            return ends[WARM_UP - 1], ends[-1]
        return first, last

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return self.window[1] - self.window[0]

    @cached_property
    def decisions(self) -> int:
        """Decisions that the trainer used in the window; without any, those that were made."""
        used = self._sum("update", "decisions")
        return used or self._sum("infer", "size")

    @cached_property
    def groups(self) -> dict[str, Group]:
        """The groups that did anything in the whole trace."""
        made = (_group(name, self._members(name), self.window) for name in WORK)
        return {group.name: group for group in made if group is not None}

    @cached_property
    def batch_sizes(self) -> Counter[int]:
        """How often the generators served a batch of each size."""
        return Counter(s.numbers["size"] for s in self._ended("infer") if "size" in s.numbers)

    @cached_property
    def staleness(self) -> Counter[int]:
        """How many decisions of each staleness were trained on."""
        counts = Counter[int]()
        for span in self._ended("accumulate"):
            for name, number in span.numbers.items():
                if name.startswith(AGE):
                    counts[int(name.removeprefix(AGE))] += number
        return counts

    @cached_property
    def fixed_share(self) -> float | None:
        """Share of a mean batch's time that does not grow with its size; None if unknown.

        From the least-squares line of seconds over size.
        """
        pairs = [
            (span.numbers["size"], span.ended - span.began)
            for span in self._ended("infer")
            if "size" in span.numbers
        ]
        if len({size for size, _ in pairs}) < 2:
            return None
        mean, seconds = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
        spread = sum((size - mean) ** 2 for size, _ in pairs)
        slope = sum((size - mean) * (time - seconds) for size, time in pairs) / spread
        return min(max(1 - slope * mean / seconds, 0.0), 1.0) if seconds > 0 else None

    def _ended(self, kind: str) -> Iterable[Span]:
        began, ended = self.window
        return (s for s in self.spans if s.kind == kind and began < s.ended <= ended)

    def _sum(self, kind: str, number: str) -> int:
        return sum(span.numbers.get(number, 0) for span in self._ended(kind))

    def _members(self, name: str) -> Members:
        kinds = {*WORK[name], *(kind for kinds in WAITS[name].values() for kind in kinds)}
        owner = self._owner if name == "simulators" else {}
        members: Members = defaultdict(lambda: defaultdict(list))
        for span in self.spans:
            member = owner.get(span.track) if owner else span.track
            if span.kind in kinds and member is not None:
                members[member][span.kind].append((span.began, span.ended))
        if name == "simulators":
            for span in self.spans:
                if span.kind == "step_batch":
                    members[span.track][span.kind].append((span.began, span.ended))
        training = {member: own for member, own in members.items() if "admit" in own}
        return training or members  # lanes that only evaluate stand still most of the time

    @cached_property
    def _owner(self) -> dict[int, int]:
        """The simulator worker of each lane."""
        return {s.track: s.numbers["worker"] for s in self.spans if "worker" in s.numbers}


def _group(name: str, members: Members, window: Interval) -> Group | None:
    """Measure the members; None if they never worked."""
    if not any(own.keys() & {*WORK[name]} for own in members.values()):
        return None
    seconds = (window[1] - window[0]) or 1.0
    busy: list[float] = []
    waits = dict.fromkeys(WAITS[name], 0.0)
    for own in members.values():
        taken = _cover(own, _working(name, own), window)
        busy.append(length(taken) / seconds)
        for wait, kinds in WAITS[name].items():
            waited = without(_cover(own, kinds, window), taken)
            waits[wait] += length(waited) / seconds / len(members)
            taken = union([*taken, *waited])
    if name == "generators":
        waits["requests"] = max(1 - sum(busy) / len(busy) - sum(waits.values()), 0.0)
    return Group(name, len(members), sum(busy) / len(busy), max(busy), waits)


def _working(name: str, own: Mapping[str, list[Interval]]) -> tuple[str, ...]:
    """Return the kinds that are work: a lane of a batched simulator also waits while it steps."""
    return ("step_batch",) if name == "simulators" and "step_batch" in own else WORK[name]


def _cover(own: Mapping[str, list[Interval]], kinds: Iterable[str], window: Interval) -> Cover:
    return union(clipped((one for kind in kinds for one in own.get(kind, ())), window))
