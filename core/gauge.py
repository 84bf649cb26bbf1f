"""When a worker is busy: for the metrics of a run and, if wanted, for its trace."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rlvla.core.clock import Stopwatch, now

if TYPE_CHECKING:
    from collections.abc import Generator

    from rlvla.core.paces import Pace
    from rlvla.core.trace import Tracer


class Gauge:
    """A stopwatch whose readings may also become spans of a trace."""

    def __init__(
        self,
        tracer: Tracer | None = None,
        number: int = 0,
        *,
        watch: Stopwatch | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.watch = watch or Stopwatch()
        self.tracer = tracer
        self.number = number
        """Of the worker among its kind."""
        self._pace = pace

    def paced(self, pace: Pace) -> Gauge:
        """Return a gauge that reads the same watch, and notes the pace of what is done by it."""
        return Gauge(self.tracer, self.number, watch=self.watch, pace=pace)

    @contextmanager
    def busy(self, kind: str, track: int, **numbers: int) -> Generator[None]:
        """Count the time inside as busy; it is a span of this kind on this track."""
        began = now()
        self.watch.begin()
        try:
            yield
        finally:
            self.watch.end()
            if self._pace is not None:
                self._pace.worked(kind, began)
            self.span(kind, track, began, **numbers)

    def span(self, kind: str, track: int, began: float, **numbers: int) -> None:
        """Trace something that began then and ends now, and is not work."""
        if self.tracer is not None:
            self.tracer.span(kind, track, began, now(), **numbers)
