"""What the stages of a run did and what they waited for, span by span.

| kind         | track     | numbers              | meaning                                   |
| ------------ | --------- | -------------------- | ----------------------------------------- |
| `admit`      | lane      |                      | a training lane waits to be admitted      |
| `request`    | lane      |                      | it waits for its decision                 |
| `step`       | lane      | `worker`             | its simulator executes a decision         |
| `reset`      | lane      | `worker`             | its simulator begins an episode           |
| `step_batch` | worker    | `size`               | a batched simulator does both for many    |
| `batch`      | generator |                      | requests wait for the batch to begin      |
| `infer`      | generator | `size`               | the generator decides on a batch          |
| `starve`     | 0         |                      | the learner waits for segments            |
| `accumulate` | 0         | `age_0`, `age_1`, …  | the trainer adds gradients of segments    |
| `update`     | 0         | `decisions`          | it makes the step that ends a batch       |
| `publish`    | 0         | `version`            | weights travel to the generators          |
| `evaluate`   | 0         |                      | an evaluation, beside everything else     |

A lane that only evaluates has no `admit`; every other has one for each segment, however short.
`age_N` counts decisions of staleness N. Times are seconds of the run's clock.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LIMIT = 300_000
"""Spans to keep: some 60 MB of memory, and as many as a trace viewer still shows smoothly."""

AGE = "age_"
NOTHING: Mapping[str, int] = {}


class Span(NamedTuple):
    """One thing that one track did or waited for."""

    kind: str
    track: int
    began: float
    ended: float
    numbers: Mapping[str, int] = NOTHING


class Tracer:
    """Remembers the newest spans; older ones make room."""

    def __init__(self, limit: int = LIMIT) -> None:
        if limit < 1:
            raise ValueError(f"limit must be at least 1, got {limit}")
        # plain tuples: making a Span would cost more than everything else here
        self._spans: deque[tuple[str, int, float, float, Mapping[str, int]]] = deque(maxlen=limit)

    def __len__(self) -> int:
        return len(self._spans)

    def span(self, kind: str, track: int, began: float, ended: float, **numbers: int) -> None:
        """Remember a span that just ended."""
        self._spans.append((kind, track, began, ended, numbers or NOTHING))

    def spans(self) -> list[Span]:
        """Return the spans in the order in which they ended."""
        return [Span(*one) for one in self._spans]


def ages(version: int, versions: Iterable[int]) -> dict[str, int]:
    """Return the numbers of an `accumulate` span at `version` of decisions that these made."""
    counts = Counter(version - made for made in versions)
    return {f"{AGE}{age}": count for age, count in counts.items()}
