"""What a policy sees and does: known from options and JSON files alone, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.models.openvla import presets
from rlvla.plugins.models.openvla.actions import Statistics
from rlvla.plugins.models.openvla.conventions import conventions_of
from rlvla.plugins.models.openvla.source import SIMULATOR, cameras_of, source_of, statistics_of

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
    parallel: bool = False,
) -> Interface:
    """Return the interface of the policy that the options describe.

    Raise ValueError if options, files and simulator disagree. `tiny` makes small sizes for a size
    of images; `parallel` is the family whose component files a checkpoint may have.
    """
    source = source_of(options.checkpoint, options.base)
    if source is not None and source.components and not parallel:
        raise ValueError(
            f"checkpoint is of openvla_oft (it has {source.components[0].name}), not of openvla: "
            "write type: openvla_oft"
        )
    config = {} if source is None else source.config
    conventions = conventions_of(config, options.family, crop=options.crop, chunk=chunk)
    cameras = _cameras(options, spec, source)
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


def _cameras(options: OpenVLA, spec: SimulatorSpec, source: Source | None) -> tuple[str, ...]:
    """Return the simulator's cameras that are shown; raise ValueError if the files see others."""
    stated = None if source is None else cameras_of(source.config)
    shown = tuple(options.cameras or stated or spec.cameras)
    alien = [name for name in shown if name not in spec.cameras]
    if alien:
        fault = f"the simulator has no camera {', '.join(alien)}"
    elif not shown:
        fault = "they must be at least one"
    elif stated and len(stated) != len(shown):
        fault = f"the checkpoint was trained on {len(stated)} images, {len(shown)} are shown"
    elif source and not (stated or options.cameras or source.own_layout) and len(shown) > 1:
        fault = "the checkpoint does not say how many images it was trained on, nor in what order"
    else:
        return shown
    raise ValueError(_misfit(fault, tuple(spec.cameras), stated))


def _misfit(fault: str, simulator: tuple[str, ...], stated: tuple[str, ...] | None) -> str:
    """Return both sides, and what the option may be if they show the same."""
    sides = f"the simulator has {', '.join(simulator) or 'none'}"
    if stated:
        sides += f", the checkpoint was trained on {', '.join(stated)}"
    ready = ", ".join(simulator[: len(stated) if stated else 1])
    advice = f"; write cameras: [{ready}] if they show the same" if ready else ""
    return f"cameras do not fit: {fault}; {sides}{advice}"


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
