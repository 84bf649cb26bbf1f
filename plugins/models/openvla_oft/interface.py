"""What a decision covers beyond that of OpenVLA; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rlvla.plugins.models.openvla.interface import Interface, interface_of
from rlvla.plugins.models.openvla.source import SIMULATOR, proprio_statistics_of
from rlvla.plugins.models.openvla_oft.presets import CHUNK, tiny

if TYPE_CHECKING:
    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.openvla.actions import Statistics
    from rlvla.plugins.models.openvla_oft import OpenVLAOFT

EPSILON = 1e-8
"""What OFT adds to the range of a dimension."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """What a decision covers."""

    chunk: int
    """C."""
    values: int
    """V."""
    proprio: Statistics | None
    """Of proprioception; None to show it as it is, if it is shown."""
    low: tuple[float, ...]
    """Bounds that cut what a regression executes."""
    high: tuple[float, ...]


def parallel(options: OpenVLAOFT, spec: SimulatorSpec) -> tuple[Interface, Extent]:
    """Return what the policy sees and does; raise ValueError if options and files disagree."""
    from_seed = options.checkpoint is None and options.family is None
    chunk = options.chunk or (CHUNK if from_seed else None)
    made = interface_of(options, spec, tiny=tiny, chunk=chunk, parallel=True)
    chunk = made.conventions.chunk
    extent = Extent(
        chunk=chunk,
        values=chunk if options.values == "action" else 1,
        proprio=_proprio(options, spec, made),
        low=spec.action_low,
        high=spec.action_high,
    )
    return replace(made, statistics=made.statistics.widened(EPSILON)), extent


def _proprio(options: OpenVLAOFT, spec: SimulatorSpec, made: Interface) -> Statistics | None:
    if not options.proprio:
        return None
    if spec.proprio == 0:
        raise ValueError("proprio needs a simulator with proprioception; this one has none")
    if made.source is None or options.statistics == SIMULATOR:
        return None
    statistics = proprio_statistics_of(made.source.config, options.statistics, made.conventions)
    if statistics is None:
        return None
    if len(statistics.low) != spec.proprio:
        raise ValueError(
            f"proprio of the checkpoint has {len(statistics.low)} dimensions, "
            f"the simulator's has {spec.proprio}"
        )
    return statistics.widened(EPSILON)
