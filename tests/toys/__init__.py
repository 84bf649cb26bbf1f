"""A simulator and a model that are small enough to run a whole training in a test."""

from toys.line import Line
from toys.tiny import Tiny

__all__ = ["Line", "Tiny"]
