"""Conformance checks for the authors of plugins: plain functions, silent if all is well.

Each raises `ConformanceError` with one sentence on the first rule of `rlvla.core.interfaces`
that is broken. They start what they are given, so they take as long as a few episodes.
"""

from rlvla.core.testing.algorithm import check_algorithm
from rlvla.core.testing.conformance import ConformanceError
from rlvla.core.testing.model import check_model
from rlvla.core.testing.recording import check_recording
from rlvla.core.testing.schedulers import check_batching, check_sharding
from rlvla.core.testing.simulator import check_simulator
from rlvla.core.testing.staleness import check_correction, check_proximal
from rlvla.core.testing.starts import check_starts

__all__ = [
    "ConformanceError",
    "check_algorithm",
    "check_batching",
    "check_correction",
    "check_model",
    "check_proximal",
    "check_recording",
    "check_sharding",
    "check_simulator",
    "check_starts",
]
