"""Production: what a training lane does for as long as there is room for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.clock import now
from rlvla.core.errors import ClosedError, LaneLostError
from rlvla.core.lane import be_patient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rlvla.core.admission import Admission
    from rlvla.core.lane import Lane


async def produce(
    admission: Admission, lane: Lane, places: int, one: Callable[[], Awaitable[None]]
) -> None:
    """Have `one` after the other produced, of so many `places` each, until admission closes.

    After a loss, of which `one` has cleared up the rest, the lane asks to be admitted anew.
    """
    losses = 0
    while True:
        try:
            since = now()
            await admission.enter(places)
            lane.admitted(since)
            await one()
            losses = 0
        except ClosedError:
            return
        except LaneLostError as lost:
            losses += 1
            admission.cancel(places)
            await be_patient(losses, lost)
