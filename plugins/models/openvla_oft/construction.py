"""From options to a policy: sizes, weights and how it reads."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch

from rlvla.plugins.models.computing import freeze
from rlvla.plugins.models.openvla import checkpoint
from rlvla.plugins.models.openvla.construction import PARTS, adapt, value_head_of
from rlvla.plugins.models.openvla.initialisation import initialise
from rlvla.plugins.models.openvla.reading import reading_of
from rlvla.plugins.models.openvla_oft.components import component, refuse_unsupported
from rlvla.plugins.models.openvla_oft.heads import ActionHead, ProprioProjector
from rlvla.plugins.models.openvla_oft.interface import parallel
from rlvla.plugins.models.openvla_oft.network import ParallelNetwork
from rlvla.plugins.models.openvla_oft.policy import ParallelPolicy
from rlvla.plugins.models.seeded import seeded
from rlvla.plugins.models.tensors import outlined

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.openvla.presets import Architecture
    from rlvla.plugins.models.openvla.source import Source
    from rlvla.plugins.models.openvla_oft import OpenVLAOFT

ACTION_HEAD, PROPRIO_PROJECTOR = "action_head", "proprio_projector"


def build(
    options: OpenVLAOFT, spec: SimulatorSpec, *, seed: int, outline: bool = False
) -> ParallelPolicy:
    """Build the policy in float32 on the CPU; raise ValueError if options and files disagree.

    An `outline` has any weights.
    """
    interface, extent = parallel(options, spec)
    architecture, source = interface.architecture, interface.source
    reading = reading_of(options, interface, values=extent.values)
    parts = {} if source is None or outline else _parts(options, source)
    with nullcontext() if outline else seeded(seed):
        value_head = value_head_of(options, spec, architecture, extent.values)
        held = set[str]() if source is None or outline else _held(source, parts)
        heads = _heads(options, spec, architecture, held)
        with torch.device("meta" if outline or source is not None else "cpu"):
            network = ParallelNetwork(architecture, value_head, *heads)
        if source is None and not outline:
            initialise(network)
        elif source is not None and not outline:
            checkpoint.fill(network, source, critic=reading.critic, parts=parts)
        freeze(network, [PARTS[name] for name in options.freeze])
        if options.lora is not None:
            adapt(network, options.lora)
    return ParallelPolicy(network, reading, options.compute, extent)


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
