"""What the shared memory of a cell would hold: enough to see whether everybody may rely on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.segment import Segment
    from rlvla.core.types import Request, Start


class ViolationError(Exception):
    """Somebody found in the shared memory what must not be there."""


class Row:
    """One slot: whose observation it holds, which version decided, and what became of it."""

    __slots__ = (
        "ends",
        "executed",
        "foreseen",
        "lane",
        "ordinal",
        "result",
        "seed",
        "start",
        "trained",
        "version",
        "whole",
    )

    def __init__(self, lane: int, ordinal: int, start: Start | None = None) -> None:
        self.lane = lane
        self.ordinal = ordinal
        """Of the observation among those of its lane."""
        self.start = start
        """Of its episode."""
        self.version = -1
        """Of the weights that decided on it; -1 before."""
        self.seed = -1
        """Of the sampling noise of that decision."""
        self.executed = False
        """Somebody began to execute that decision."""
        self.ends = False
        """The episode was over after that decision."""
        self.result = False
        """What came of it is there."""
        self.foreseen = False
        """The trainer has looked at the decision while its weights were those that made it."""
        self.trained = False
        self.whole = True
        """No simulator was killed in the middle of writing the observation."""


class Memory:
    """The rows and weights of one cell.

    Its methods are called when a worker reads or writes, and raise `ViolationError` if the
    pipeline gave a slot away too early, trained on a row twice, or mixed up who decided what.
    """

    def __init__(self, cell: int, *, banks: int) -> None:
        self.rows: dict[int, Row] = {}
        self.banks = [(-1, -1)] * banks
        """Begin and commit word of each bank of the weights: versions."""
        self._cell = cell
        self._seen: dict[int, int] = {}
        """Lane to the ordinal of its newest observation."""
        self._first: dict[int, int] = {}
        """Lane to the ordinal of the first observation of its episode."""
        self._starts: dict[int, Start] = {}
        """Lane to the start of its episode."""

    @property
    def version(self) -> int:
        """The newest whole version of the weights; -1 before the first."""
        return max(commit if begin == commit else -1 for begin, commit in self.banks)

    def observe(self, lane: int, slot: int) -> None:
        """Write the next observation of `lane` into `slot`."""
        ordinal = self._seen[lane] = self._seen.get(lane, -1) + 1
        self.rows[slot] = Row(lane, ordinal, self._starts.get(lane))

    def begun(self, lane: int, slot: int, start: Start) -> None:
        """Write the first observation of an episode of `lane` into `slot`."""
        self._starts[lane] = start
        self.observe(lane, slot)
        self._first[lane] = self._seen[lane]

    def repeat(self, lane: int, slots: Sequence[int], into: int) -> None:
        """Execute the decisions in `slots`, all of an episode, again; write their end into `into`.

        The next decision may have been executed, too, but nobody has heard what came of it.
        """
        newest = self._first[lane] + len(slots)
        found = [self._of(lane, slot).ordinal for slot in slots]
        if found != [*range(self._first[lane], newest)] or not 0 <= self._seen[lane] - newest <= 1:
            self.violated(
                f"lane {lane} repeats {found} of an episode that began with "
                f"{self._first[lane]} and has come to {self._seen[lane]}"
            )
        self._seen[lane] = newest
        for row in self.rows.values():
            if (row.lane, row.ordinal) == (lane, newest):
                row.executed = False
        self.rows[into] = Row(lane, newest, self._starts[lane])

    def tear(self, slots: Sequence[int]) -> None:
        """Leave observations half written: their writer was killed."""
        for slot in slots:
            row = self.rows.setdefault(slot, Row(-1, -1))
            row.whole = False

    def look(self, requests: Sequence[Request]) -> None:
        """Read the observations that are to be decided on."""
        for request in requests:
            row = self._newest(request.lane, request.slot)
            if row.executed:
                self.violated(f"the decision in slot {request.slot} was executed already")

    def decide(self, requests: Sequence[Request], version: int) -> None:
        """Write decisions; a batch that is asked for again is decided again."""
        for request in requests:
            row = self._newest(request.lane, request.slot)
            row.version, row.seed, row.foreseen = version, request.seed, False

    def execute(self, lane: int, slot: int, *, expert: bool = False) -> None:
        """Read the decision in `slot`, or write the expert's, and execute it."""
        row = self._newest(lane, slot)
        if row.executed:
            self.violated(f"the decision of lane {lane} in slot {slot} is executed twice")
        if row.version < 0 and not expert:
            self.violated(f"nobody decided on the observation of lane {lane} in slot {slot}")
        row.executed = True

    def follow(self, lane: int, slot: int, into: int, *, ends: bool) -> None:
        """Write what came of the decision in `slot`, and the observation after it."""
        row = self._newest(lane, slot)
        row.result, row.ends = True, ends
        self.observe(lane, into)

    def foresee(self, segment: Segment, version: int) -> None:
        """Read decisions that wait, all made by `version`."""
        for slot in segment.slots:
            row = self._of(segment.lane, slot)
            if row.version != version:
                self.violated(
                    f"slot {slot} holds a decision of version {row.version}, those of {version} "
                    f"are to be seen"
                )
            row.foreseen = True

    def train(self, segment: Segment) -> None:
        """Read a segment: every row once, whole, in time order, and decided as it says."""
        before = -1
        for slot, after, version in zip(
            segment.slots, segment.bootstrap, segment.versions, strict=True
        ):
            row = self._of(segment.lane, slot)
            if not row.result or row.trained or row.version != version:
                self.violated(
                    f"slot {slot} of {segment} holds a decision of version {row.version}, "
                    f"with a result: {row.result}, trained on: {row.trained}"
                )
            if row.ordinal <= before:
                self.violated(f"{segment} is not in time order")
            row.trained, before = True, row.ordinal
            if after >= 0 and self._of(segment.lane, after).ordinal != row.ordinal + 1:
                self.violated(f"slot {after} of {segment} does not hold what followed {slot}")

    def begin(self, version: int) -> None:
        """Begin to write a version of the weights, over the oldest."""
        if version <= self.version:
            self.violated(f"version {version} comes after {self.version}")
        whole = [commit if begin == commit else -1 for begin, commit in self.banks]
        oldest = whole.index(min(whole))
        self.banks[oldest] = (version, self.banks[oldest][1])

    def commit(self, version: int) -> None:
        """Finish what `begin` began."""
        self.banks = [
            (begin, version if begin == version else commit) for begin, commit in self.banks
        ]

    def fetch(self, at_least: int, exactly: int) -> int:
        """Return the version that a generator takes over now."""
        held = {commit for begin, commit in self.banks if begin == commit}
        version = self.version if exactly < 0 else exactly
        if version not in held or (exactly < 0 and version < at_least):
            self.violated(f"version {max(at_least, exactly)} was announced, {held} are there")
        return version

    def violated(self, what: str) -> NoReturn:
        """Raise."""
        raise ViolationError(f"cell {self._cell}: {what}")

    def _newest(self, lane: int, slot: int) -> Row:
        row = self._of(lane, slot)
        if row.ordinal != self._seen[lane]:
            self.violated(
                f"slot {slot} holds observation {row.ordinal} of lane {lane}, "
                f"its newest is {self._seen[lane]}"
            )
        return row

    def _of(self, lane: int, slot: int) -> Row:
        row = self.rows.get(slot)
        if row is None or not row.whole or row.lane != lane:
            found = "nothing" if row is None else f"lane {row.lane}, whole: {row.whole}"
            self.violated(f"slot {slot} should hold a row of lane {lane}, there is {found}")
        return row
