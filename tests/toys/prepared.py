"""A line in the dark: somebody must light a lamp before its workers start."""

from __future__ import annotations

import os
from dataclasses import dataclass

from toys.line import Line

LAMP = "TOYS_LAMP"


@dataclass
class Prepared(Line):
    """`line` whose workers inherit what `prepare` found out."""

    dark: bool = False
    """There is no lamp."""

    def prepare(self) -> None:
        if self.dark:
            raise RuntimeError("there is no lamp, buy one")
        os.environ[LAMP] = f"lit by {os.getpid()}"

    def start(self, lanes: int) -> None:
        if os.environ.get(LAMP) != f"lit by {os.getppid()}":
            raise RuntimeError("it is dark in this worker")
        super().start(lanes)
