"""From options to a policy: sizes, weights and how it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from rlvla.plugins.models.openvla import checkpoint, critic, presets
from rlvla.plugins.models.openvla.conventions import conventions_of
from rlvla.plugins.models.openvla.initialisation import initialise
from rlvla.plugins.models.openvla.network import Network
from rlvla.plugins.models.openvla.policy import OpenVLAPolicy
from rlvla.plugins.models.openvla.reading import reading_of
from rlvla.plugins.models.openvla.source import source_of
from rlvla.plugins.models.privileged import privileged
from rlvla.plugins.models.seeded import seeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.lora import LoRA
    from rlvla.plugins.models.openvla import OpenVLA
    from rlvla.plugins.models.openvla.presets import Architecture
    from rlvla.plugins.models.openvla.source import Source


def build(options: OpenVLA, spec: SimulatorSpec, *, seed: int) -> OpenVLAPolicy:
    """Build the policy in float32 on the CPU; raise ValueError if options and files disagree."""
    source = source_of(options.checkpoint, options.base)
    architecture = architecture_of(options, spec, source)
    conventions = conventions_of(source.config if source else {}, options.family, crop=options.crop)
    reading = reading_of(options, spec, source, architecture, conventions)
    with seeded(seed):
        value_head = value_head_of(options, spec, architecture)
        with torch.device("meta" if source else "cpu"):
            network = Network(architecture, value_head)
        if source is None:
            initialise(network)
        else:
            checkpoint.fill(network, source, critic=reading.critic)
        if options.lora is not None:
            adapt(network, options.lora)
    return OpenVLAPolicy(network, reading)


def architecture_of(
    options: OpenVLA,
    spec: SimulatorSpec,
    source: Source | None,
    tiny: Callable[[tuple[int, int]], Architecture] = presets.tiny,
) -> Architecture:
    """Return the sizes that the checkpoint states, or those of the preset.

    `tiny` makes small ones for a size of images.
    """
    if source is not None:
        return presets.from_config(source.config)
    if options.preset == "7b":
        return presets.published()
    return tiny(next(iter(spec.cameras.values())))


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
