"""Adaptive batching: wait for company only while that saves more than it costs.

In a closed system of N lanes the rate is N / (simulation + response) (Little), so the rule
minimises what lanes spend between request and decision. The generator takes T(n) = a + c·n for a
batch of n. With b waiting, let m be the lanes that will have returned when a batch that leaves now
is done, and D the time until j of them have. Over two batches the times of completion sum to

    leave now:   b·T(b) + m·(T(b) + T(m))
    wait for j:  (b + m)·(D + T(b + j)) + (m - j)·T(m - j)

so that waiting pays if (b + m)·D < j·(a - c·(b - m + j)). That is the limit of a generator with
time to spare. If instead it is never idle, the renewal-reward theorem counts only its own rate,
(b + j) / (D + T(b + j)) > b / T(b), that is b·D < j·a: whoever returns later waits anyway. With
a weight w for the terms in which the two differ, 1 in the first and 0 in the second limit, it is

    (b + w·m)·D < j·(a - w·c·(b - m + j)),   w = min(1/2, 1 - F(a / 2)).

F is the distribution of the time that lanes are away: where they are back long before the
generator could be, it is saturated. The form of w is no law but was chosen by simulating closed
queues (8 to 64 lanes; independent, serial, straggling and batched simulators): the rule was within
3 % of the best fixed (B, T) of a grid, except for four saturated batches of 16 lanes that return
together (5 %). There `pipelined` is the better choice.

A device that the generator shares with the trainer, or with simulators, has other uses: it is
saturated by less than what the generator asks of it. A decision takes a/b + c + τ of it, where τ is
what others do for a decision, so that larger batches are faster until the lanes are the
bottleneck. A lane goes round in s + q + T(b), absence, queueing for the device and service, plus
the wait for company, which Little's law turns into (b - 1) / 2 lanes that always wait. So the rate
is the lower one of

    1 / (a/b + c + τ)    and    (N - (b - 1) / 2) / (s + q + T(b)),

one rising and the other falling in b, and best where they meet. There the rule never lets fewer go
than that (`contention`), unless nobody else is expected. What a decision takes of the device is
observed as used time over decisions, at the batches of the moment: others use the device while a
batch is queueing for it, and between batches as often as one does not find it free. On the
profiles of `benchmarks/schedulers.py` the rule was 0.99 to 1.03 times as fast as the best of the
grid, and 0.99 to 1.05 times on eight variants of one (other times, stragglers, two generators).

T is learned from every batch (`curve`), the returns from how long each lane was away
(`returns`): a lane away for x returns within t with probability (F(x + t) - F(x)) / (1 - F(x)).
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rlvla.plugins.schedulers.contention import Contention, Served
from rlvla.plugins.schedulers.curve import LearnedCurve
from rlvla.plugins.schedulers.returns import Returns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.types import Queue

HORIZON = tuple(2 ** (-step / 2) for step in range(12))
"""Waits that are considered, in units of a: none longer can pay."""
SHORTEST = 1e-4
"""Seconds of the shortest wait that is considered: a shorter one costs the event loop more than the
generator can save, and would be followed by another one."""
REMEMBERED = 8
"""Batches under way that are kept; more than one only if other generators steal."""


@dataclass(frozen=True, kw_only=True)
class Adaptive:
    """Learn the times of generator and simulators, and choose batch and wait from them."""

    max_batch: int = 64
    """Most requests in one forward pass of the generator."""

    def __post_init__(self) -> None:
        if self.max_batch < 1:
            raise ValueError(f"max_batch must be at least 1, got {self.max_batch}")

    def rule(self, groups: Mapping[int, int]) -> _Rule:
        """Return a rule that has yet to learn: at first it serves whoever waits."""
        del groups
        return _Rule(self.max_batch)


class _Taken(NamedTuple):
    """A batch under way."""

    lanes: Sequence[int]
    began: float
    active: int
    """Lanes that took part when it left."""
    absences: Sequence[float]
    """For how long its lanes had been away, as far as that is known."""


@dataclass
class _Rule:
    most: int
    curve: LearnedCurve = field(default_factory=LearnedCurve)
    returns: Returns = field(default_factory=Returns)
    contention: Contention = field(default_factory=Contention)
    away: dict[int, float] = field(default_factory=dict[int, float])
    """Since when each lane that has its decision is away."""
    absent: dict[int, float] = field(default_factory=dict[int, float])
    """For how long each lane that waits was away."""
    taken: deque[_Taken] = field(default_factory=lambda: deque["_Taken"](maxlen=REMEMBERED))
    """The batches under way."""
    least: int = 1
    """A smaller batch does not leave while others are expected."""
    wait_s: float = 0.0

    def take(self, queue: Queue) -> Sequence[int]:
        """Return up to `max_batch`, the oldest first, unless it pays to wait for others."""
        self._look(queue)
        waiting = len(queue.lanes)
        alone = waiting >= min(self.most, len(queue.active))
        self.wait_s = 0.0 if alone else self._worth(queue)
        if self.wait_s:
            return ()
        lanes = queue.lanes[: self.most]
        absences = [self.absent.pop(lane) for lane in lanes if lane in self.absent]
        self.taken.append(_Taken(lanes, queue.time_s, len(queue.active), absences))
        return range(len(lanes))

    def patience_ms(self, waited_ms: float) -> float | None:
        """Return the wait that seemed best: if nobody came by then, it may not be any more."""
        del waited_ms
        return self.wait_s * 1000 or None

    def served(self, size: int, seconds: float, waited: float) -> None:
        """Learn the time of the batch, and that its lanes are away from now on."""
        if size < 1 or not 0 <= waited <= seconds < float("inf"):
            return
        self.curve.learn(size, seconds - waited)
        for one in self.taken:
            if len(one.lanes) == size:
                self.taken.remove(one)
                ended = one.began + seconds
                self.away.update(dict.fromkeys(one.lanes, ended))
                batch = Served(size, seconds, waited, ended, one.active, one.absences)
                self.contention.learn(batch)
                fixed, each = self.curve.fixed, self.curve.each
                self.least = self.contention.balance(fixed, each, self.most)
                return

    def _look(self, queue: Queue) -> None:
        """Learn from who is back; forget who left, as for the trainer's sake."""
        for lane, since in zip(queue.lanes, queue.since_s, strict=False):
            left = self.away.pop(lane, None)
            if left is not None:
                self.absent[lane] = max(since - left, 0.0)
                self.returns.learn(self.absent[lane])
        for lane in self.away.keys() - queue.active:
            del self.away[lane]

    def _worth(self, queue: Queue) -> float:
        """Return the wait in seconds that saves most, 0 if none saves anything."""
        waiting, fixed, each = len(queue.lanes), self.curve.fixed, self.curve.each
        ages = [(queue.time_s - left, count) for left, count in Counter(self.away.values()).items()]
        if waiting < min(self.least, waiting + self._expected(ages, float("inf"))):
            return self.curve(waiting)
        behind = self._expected(ages, self.curve(waiting))
        spare = min(0.5, 1 - self.returns.share(0.0, fixed / 2))
        best, wait = 0.0, 0.0
        for part in HORIZON:
            time = part * fixed
            if time < SHORTEST:
                break
            more = min(self._expected(ages, time), self.most - waiting)
            saved = more * (fixed - each * (waiting - behind + more) * spare)
            gain = saved - (waiting + behind * spare) * time
            if gain > best:
                best, wait = gain, time
        return wait

    def _expected(self, ages: Sequence[tuple[float, int]], time: float) -> float:
        """Return how many lanes are expected back within so long."""
        return sum(count * self.returns.share(age, time) for age, count in ages)
