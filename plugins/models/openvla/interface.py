"""What a policy sees and does: known from options and JSON files alone, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.models.openvla import presets
from rlvla.plugins.models.openvla.actions import Statistics
from rlvla.plugins.models.openvla.conventions import conventions_of
from rlvla.plugins.models.openvla.source import SIMULATOR, source_of, statistics_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.openvla import OpenVLA
    from rlvla.plugins.models.openvla.conventions import Conventions
    from rlvla.plugins.models.openvla.presets import Architecture
    from rlvla.plugins.models.openvla.source import Source


@dataclass(frozen=True, kw_only=True)
class Interface:
    """What options, files and simulator agree on."""

    source: Source | None
    """Where the checkpoint is; None for a policy from the seed."""
    architecture: Architecture
    conventions: Conventions
    cameras: tuple[str, ...]
    """In the order of their tokens."""
    statistics: Statistics
    """Of actions."""


def interface_of(
    options: OpenVLA,
    spec: SimulatorSpec,
    *,
    tiny: Callable[[tuple[int, int]], Architecture] = presets.tiny,
    chunk: int | None = None,
) -> Interface:
    """Return the interface of the policy that the options describe.

    Raise ValueError if options, files and simulator disagree. `tiny` makes small sizes for a size
    of images.
    """
    source = source_of(options.checkpoint, options.base)
    config = {} if source is None else source.config
    conventions = conventions_of(config, options.family, crop=options.crop, chunk=chunk)
    cameras = _cameras(options, spec)
    if source is not None:
        architecture = presets.from_config(config)
    elif options.preset == "7b":
        raise ValueError("preset '7b' needs a checkpoint, which brings weights and tokenizer")
    else:
        architecture = tiny(spec.cameras[cameras[0]])
    return Interface(
        source=source,
        architecture=architecture,
        conventions=conventions,
        cameras=cameras,
        statistics=_statistics(options, spec, source, conventions),
    )


def _cameras(options: OpenVLA, spec: SimulatorSpec) -> tuple[str, ...]:
    alien = [name for name in options.cameras or () if name not in spec.cameras]
    if alien:
        raise ValueError(
            f"cameras {', '.join(alien)} are not shown by the simulator, "
            f"it has: {', '.join(spec.cameras)}"
        )
    shown = tuple(options.cameras or spec.cameras)
    if not shown:
        raise ValueError("cameras must be at least one, the simulator shows none")
    return shown


def _statistics(
    options: OpenVLA, spec: SimulatorSpec, source: Source | None, conventions: Conventions
) -> Statistics:
    if source is None or options.statistics == SIMULATOR:
        return Statistics.of_simulator(spec)
    statistics = statistics_of(source.config, options.statistics, conventions)
    if len(statistics.low) != spec.action_dim:
        raise ValueError(
            f"checkpoint's actions have {len(statistics.low)} dimensions, "
            f"the simulator's have {spec.action_dim}"
        )
    return statistics
