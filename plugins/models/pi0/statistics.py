"""On which scales a policy sees states and decides actions; imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.plugins.models.pi0.lerobot import decides_differences, lerobot_scales
from rlvla.plugins.models.pi0.location import located
from rlvla.plugins.models.pi0.scaling import Scales, openpi_scales

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.pi0 import Pi0
    from rlvla.plugins.models.pi0.interface import Interface


def scales_of(options: Pi0, spec: SimulatorSpec, interface: Interface) -> Scales:
    """Return the scales of the checkpoint, or of the simulator's bounds without one.

    Raise ValueError if the checkpoint has none, or those of another robot.
    """
    if options.checkpoint is None:
        return Scales.of_simulator(spec).fitted(spec)
    path = located(options.checkpoint)
    if decides_differences(path) and not interface.relative:
        raise ValueError(
            "relative must say which elements of actions are differences from the state: the "
            "checkpoint's policy_postprocessor.json adds it to them"
        )
    return _read(path, options.statistics, quantiles=options.adaptive).fitted(spec)


def _read(path: Path, name: str | None, *, quantiles: bool) -> Scales:
    scales = openpi_scales(path, name, quantiles=quantiles) or lerobot_scales(path)
    if scales is None:
        raise ValueError(
            f"checkpoint {path} has no statistics of states and actions: neither "
            "assets/NAME/norm_stats.json (openpi) nor policy_preprocessor.json (lerobot)"
        )
    return scales
