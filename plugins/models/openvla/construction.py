"""From options to a policy: sizes, weights and how it reads."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch

from rlvla.plugins.models.computing import freeze
from rlvla.plugins.models.openvla import checkpoint, critic
from rlvla.plugins.models.openvla.initialisation import initialise
from rlvla.plugins.models.openvla.interface import interface_of
from rlvla.plugins.models.openvla.network import Network
from rlvla.plugins.models.openvla.policy import OpenVLAPolicy
from rlvla.plugins.models.openvla.reading import reading_of
from rlvla.plugins.models.privileged import privileged
from rlvla.plugins.models.seeded import seeded

if TYPE_CHECKING:
    from torch import nn

    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.lora import LoRA
    from rlvla.plugins.models.openvla import OpenVLA
    from rlvla.plugins.models.openvla.presets import Architecture

PARTS = {
    "vision": "vision_backbone",
    "projector": "projector",
    "language": "language_model",
}
"""Modules that the option `freeze` names."""


def build(
    options: OpenVLA, spec: SimulatorSpec, *, seed: int, outline: bool = False
) -> OpenVLAPolicy:
    """Build the policy in float32 on the CPU; raise ValueError if options and files disagree.

    An `outline` has any weights.
    """
    interface = interface_of(options, spec)
    reading, source = reading_of(options, interface), interface.source
    with nullcontext() if outline else seeded(seed):
        value_head = value_head_of(options, spec, interface.architecture)
        with torch.device("meta" if outline or source is not None else "cpu"):
            network = Network(interface.architecture, value_head)
        if source is None and not outline:
            initialise(network)
        elif source is not None and not outline:
            checkpoint.fill(network, source, critic=reading.critic)
        freeze(network, [PARTS[name] for name in options.freeze])
        if options.lora is not None:
            adapt(network, options.lora)
    return OpenVLAPolicy(network, reading, options.compute)


def value_head_of(
    options: OpenVLA, spec: SimulatorSpec, architecture: Architecture, values: int = 1
) -> nn.Module:
    """Return a value head of first weights."""
    if options.critic == "privileged":
        return privileged(spec.privileged, option="critic", outputs=values)
    return critic.head(architecture, values)


def adapt(network: Network, options: LoRA) -> None:
    """Put low-rank adapters into the network."""
    # peft takes a second to import, which a network without adapters need not wait for.
    from rlvla.plugins.models.adapters import add_adapters

    own = [name for name, _ in network.named_children() if name in checkpoint.HEADS]
    add_adapters(network, options, heads=own, output="language_model.lm_head")
