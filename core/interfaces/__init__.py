"""What each kind of component must do: the contracts between the core and its plugins.

A component is a dataclass. Its fields are its options in the manifest, its construction is
cheap, and importing it pulls in neither torch nor a simulator; what is expensive happens in
`start` or `build`, in the process that needs it.
"""

from __future__ import annotations

from rlvla.core.interfaces.algorithm import Algorithm, CoTraining
from rlvla.core.interfaces.exporter import Exportable, Exporter
from rlvla.core.interfaces.measured import Measured
from rlvla.core.interfaces.model import Model, Policy, Scores
from rlvla.core.interfaces.placing import Placeable
from rlvla.core.interfaces.recording import Recording
from rlvla.core.interfaces.scheduler import Batching, BatchingRule, Sharding
from rlvla.core.interfaces.simulator import (
    BatchSimulator,
    ExpertSimulator,
    PreparedSimulator,
    PublishedSimulator,
    Simulator,
)
from rlvla.core.interfaces.staleness import Correction, Follower, Proximal
from rlvla.core.interfaces.surroundings import Logger, Runtime

__all__ = [
    "Algorithm",
    "BatchSimulator",
    "Batching",
    "BatchingRule",
    "CoTraining",
    "Correction",
    "ExpertSimulator",
    "Exportable",
    "Exporter",
    "Follower",
    "Logger",
    "Measured",
    "Model",
    "Placeable",
    "Policy",
    "PreparedSimulator",
    "Proximal",
    "PublishedSimulator",
    "Recording",
    "Runtime",
    "Scores",
    "Sharding",
    "Simulator",
]
