"""From options to a policy: sizes, weights and how it reads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from rlvla.plugins.models.openvla import checkpoint
from rlvla.plugins.models.openvla.construction import adapt, architecture_of, value_head_of
from rlvla.plugins.models.openvla.initialisation import initialise
from rlvla.plugins.models.openvla.reading import reading_of
from rlvla.plugins.models.openvla.source import SIMULATOR, proprio_statistics_of, source_of
from rlvla.plugins.models.openvla_oft.components import component, refuse_unsupported
from rlvla.plugins.models.openvla_oft.heads import ActionHead, ProprioProjector
from rlvla.plugins.models.openvla_oft.network import ParallelNetwork
from rlvla.plugins.models.openvla_oft.policy import Extent, ParallelPolicy
from rlvla.plugins.models.openvla_oft.presets import tiny
from rlvla.plugins.models.seeded import seeded
from rlvla.plugins.models.tensors import outlined

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.openvla.actions import Statistics
    from rlvla.plugins.models.openvla.conventions import Conventions
    from rlvla.plugins.models.openvla.presets import Architecture
    from rlvla.plugins.models.openvla.reading import Reading
    from rlvla.plugins.models.openvla.source import Source
    from rlvla.plugins.models.openvla_oft import OpenVLAOFT

ACTION_HEAD, PROPRIO_PROJECTOR = "action_head", "proprio_projector"
EPSILON = 1e-8
"""What OFT adds to the range of a dimension."""


def build(options: OpenVLAOFT, spec: SimulatorSpec, *, seed: int) -> ParallelPolicy:
    """Build the policy in float32 on the CPU; raise ValueError if options and files disagree."""
    source, conventions = source_of(options.checkpoint, options.base), options.conventions()
    architecture = architecture_of(options, spec, source, tiny)
    reading = _reading(options, spec, source, architecture, conventions)
    extent = Extent(
        chunk=conventions.chunk,
        proprio=_proprio(options, spec, source, conventions),
        low=spec.action_low,
        high=spec.action_high,
    )
    parts = {} if source is None else _parts(options, source)
    with seeded(seed):
        value_head = value_head_of(options, spec, architecture, reading.critic.values)
        heads = _heads(
            options, spec, architecture, set() if source is None else _held(source, parts)
        )
        with torch.device("cpu" if source is None else "meta"):
            network = ParallelNetwork(architecture, value_head, *heads)
        if source is None:
            initialise(network)
        else:
            checkpoint.fill(network, source, critic=reading.critic, parts=parts)
        if options.lora is not None:
            adapt(network, options.lora)
    return ParallelPolicy(network, reading, extent)


def _reading(
    options: OpenVLAOFT,
    spec: SimulatorSpec,
    source: Source | None,
    architecture: Architecture,
    conventions: Conventions,
) -> Reading:
    made = reading_of(options, spec, source, architecture, conventions)
    values = conventions.chunk if options.values == "action" else 1
    return replace(
        made,
        statistics=made.statistics.widened(EPSILON),
        critic=replace(made.critic, values=values),
    )


def _proprio(
    options: OpenVLAOFT, spec: SimulatorSpec, source: Source | None, conventions: Conventions
) -> Statistics | None:
    """Return the statistics of proprioception; None if it is not shown, or shown as it is."""
    if not options.proprio:
        return None
    if spec.proprio == 0:
        raise ValueError("proprio needs a simulator with proprioception; this one has none")
    if source is None or options.statistics == SIMULATOR:
        return None
    statistics = proprio_statistics_of(source.config, options.statistics, conventions)
    if statistics is None:
        return None
    if len(statistics.low) != spec.proprio:
        raise ValueError(
            f"proprio of the checkpoint has {len(statistics.low)} dimensions, "
            f"the simulator's has {spec.proprio}"
        )
    return statistics.widened(EPSILON)


def _wanted(options: OpenVLAOFT) -> list[str]:
    wanted = {ACTION_HEAD: options.head == "l1", PROPRIO_PROJECTOR: options.proprio}
    return [name for name, one in wanted.items() if one]


def _parts(options: OpenVLAOFT, source: Source) -> dict[str, Tensor]:
    """Return the tensors of component files; raise ValueError if one is missing."""
    refuse_unsupported(source)
    parts: dict[str, Tensor] = {}
    for name in _wanted(options):
        parts |= component(source, name)
    lacking = [name for name in _wanted(options) if name not in _held(source, parts)]
    if lacking and not options.fresh:
        files = ", ".join(f"{name}--*.pt" for name in lacking)
        raise ValueError(
            f"checkpoint {source.own} has no file {files}, which head {options.head!r} and proprio "
            f"{options.proprio} need; 'fresh' would make them from the seed"
        )
    return parts


def _held(source: Source, parts: Mapping[str, Tensor]) -> set[str]:
    """Return the heads that the checkpoint has."""
    names = outlined(source.base).keys() | parts.keys()
    return {name.partition(".")[0] for name in names}


def _heads(
    options: OpenVLAOFT, spec: SimulatorSpec, architecture: Architecture, held: set[str]
) -> tuple[ActionHead | None, ProprioProjector | None]:
    """Return OFT's heads that the options want; those that are `held` have no memory yet."""
    width, action_head, projector = architecture.decoder.width, None, None
    wanted = _wanted(options)
    if ACTION_HEAD in wanted:
        with torch.device("meta" if ACTION_HEAD in held else "cpu"):
            action_head = ActionHead(width, spec.action_dim)
    if PROPRIO_PROJECTOR in wanted:
        with torch.device("meta" if PROPRIO_PROJECTOR in held else "cpu"):
            projector = ProprioProjector(spec.proprio, width)
    return action_head, projector
