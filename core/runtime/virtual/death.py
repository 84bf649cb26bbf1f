"""How a worker ended, and whether that was right."""

from __future__ import annotations

from typing import NamedTuple


class Death(NamedTuple):
    """The end of a worker, as whoever watches the world sees it."""

    time: float
    """In virtual seconds."""
    name: str
    """Such as `simulator-1.3`: the fourth of the second cell."""
    how: str
    """`crash`, `killed`, or an exit code if it ended by itself."""
    excused: bool
    """There was a reason to kill it: it had hung or was slow, something on the way to or from it
    was lost or late, or it was told to leave."""
    doing: str
    """The method that it was at; empty if it was idle."""
    seconds: float
    """How long it had been at it."""

    @property
    def unjust(self) -> bool:
        """Whether it was killed although it was at work as it should; building it has no excuse
        and needs none, as a run may end in the middle of it."""
        return self.how == "killed" and not self.excused and self.doing not in ("", "build")
