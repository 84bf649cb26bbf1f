"""From options to a policy: sizes, weights, scales and tokenizer."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch

from rlvla.plugins.models.computing import freeze
from rlvla.plugins.models.flow.sampler import Sampler
from rlvla.plugins.models.pi0 import checkpoint, heads, presets
from rlvla.plugins.models.pi0.cameras import matched
from rlvla.plugins.models.pi0.initialisation import initialise
from rlvla.plugins.models.pi0.interface import interface_of
from rlvla.plugins.models.pi0.location import located
from rlvla.plugins.models.pi0.network import Network
from rlvla.plugins.models.pi0.policy import PiPolicy, Reading
from rlvla.plugins.models.pi0.prompt import Prompter
from rlvla.plugins.models.pi0.robots import frame_of
from rlvla.plugins.models.pi0.sizes import architecture_of
from rlvla.plugins.models.pi0.statistics import scales_of
from rlvla.plugins.models.pi0.tokenizer import SmallTokenizer, tokenizer_in
from rlvla.plugins.models.privileged import privileged
from rlvla.plugins.models.seeded import seeded

if TYPE_CHECKING:
    from torch import nn

    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.lora import LoRA
    from rlvla.plugins.models.pi0 import Pi0
    from rlvla.plugins.models.pi0.checkpoint import Weights
    from rlvla.plugins.models.pi0.interface import Interface
    from rlvla.plugins.models.pi0.presets import Architecture
    from rlvla.plugins.models.pi0.tokenizer import Tokenizer

_MODEL = "paligemma_with_expert.paligemma.model."
PARTS = {
    "vision": f"{_MODEL}vision_tower",
    "projector": f"{_MODEL}multi_modal_projector",
    "language": f"{_MODEL}language_model",
    "words": "paligemma_with_expert.paligemma.lm_head",
    "expert": "paligemma_with_expert.gemma_expert",
}
"""Modules that the option `freeze` names."""


def build(options: Pi0, spec: SimulatorSpec, *, seed: int, outline: bool = False) -> PiPolicy:
    """Build the policy in float32 on the CPU; raise ValueError if options and files disagree.

    An `outline` has any weights.
    """
    interface = interface_of(options, spec)
    reading = _reading(options, spec, interface)
    weights = None if options.checkpoint is None else checkpoint.weights_in(options.checkpoint)
    architecture = _architecture(options, spec, interface, weights)
    with nullcontext() if outline else seeded(seed):
        network = _network(options, spec, architecture, empty=outline or weights is not None)
        if not outline:
            _fill(network, weights, reading.critic)
        _freeze(network, output=options.critic == "prefix" and not options.detach)
        freeze(network, [PARTS[name] for name in options.freeze])
        if options.lora is not None:
            _adapt(network, options.lora)
    sampler = Sampler(
        sampling=options.sampling,
        horizon=interface.horizon,
        width=interface.action_dim,
        chunk=options.chunk or interface.horizon,
        dimensions=spec.action_dim,
    )
    return PiPolicy(network, sampler, reading, options.compute)


def _fill(network: Network, weights: Weights | None, critic: str) -> None:
    if weights is None:
        initialise(network)
    else:
        checkpoint.fill(network, weights, critic)


def _architecture(
    options: Pi0,
    spec: SimulatorSpec,
    interface: Interface,
    weights: Weights | None,
) -> Architecture:
    if weights is None:
        largest = max(max(size) for size in spec.cameras.values())
        return presets.tiny(
            adaptive=options.adaptive, image=largest, action_dim=interface.action_dim
        )
    heads_ = interface.vision_heads or weights.vision_heads
    found = architecture_of(weights.outline, adaptive=options.adaptive, vision_heads=heads_)
    if found.action_dim != interface.action_dim:
        raise ValueError(
            f"checkpoint's config.json states action_dim {interface.action_dim}, "
            f"its tensors have {found.action_dim}"
        )
    return found


def _network(
    options: Pi0, spec: SimulatorSpec, architecture: Architecture, *, empty: bool
) -> Network:
    """Return the network; if `empty`, only its heads have memory yet."""
    value_head, noise_head = _value_head(options, spec, architecture), None
    if options.sampling.learned:
        noise_head = heads.noise_head(architecture.expert.width, architecture.action_dim)
    with torch.device("meta" if empty else "cpu"):
        network = Network(architecture, value_head, noise_head)
    network.imitated = torch.zeros_like(network.imitated, device="cpu")
    return network


def _value_head(options: Pi0, spec: SimulatorSpec, architecture: Architecture) -> nn.Module:
    if options.critic == "privileged":
        return privileged(spec.privileged, option="critic")
    streams = {"expert": architecture.expert, "prefix": architecture.language}
    return heads.value_head(streams[options.critic].width)


def _freeze(network: Network, *, output: bool) -> None:
    """Freeze what never runs: of the last prefix layer only keys and values are read.

    `output`: but for the value, whose gradient goes through all of it.
    """
    if output:
        return
    language = network.paligemma_with_expert.paligemma.model.language_model
    last = language.layers[-1]
    for name in (
        "self_attn.q_proj",
        "self_attn.o_proj",
        "mlp",
        "post_attention_layernorm",
    ):
        last.get_submodule(name).requires_grad_(requires_grad=False)
    language.norm.requires_grad_(requires_grad=False)


def _adapt(network: Network, options: LoRA) -> None:
    # peft takes a second to import, which a network without adapters need not wait for.
    from rlvla.plugins.models.adapters import add_adapters

    own = [name for name in ("value_head", "noise_head") if name in dict(network.named_children())]
    whole = [PARTS["vision"], PARTS["projector"], *_own_layers(network)]
    openpi = options.target_modules == "openpi"
    add_adapters(network, options, heads=own, whole=whole if openpi else ())


def _own_layers(network: Network) -> list[str]:
    """Return the names of the flow's own layers."""
    starts = ("action_", "state_", "time_")
    return [name for name, _ in network.named_children() if name.startswith(starts)]


def _reading(options: Pi0, spec: SimulatorSpec, interface: Interface) -> Reading:
    tokenizer = _tokenizer(options, interface)
    return Reading(
        interface=interface,
        cameras=matched(options.cameras, tuple(spec.cameras), interface.cameras),
        tokenizer=tokenizer,
        prompter=Prompter(
            tokenizer,
            room=interface.tokens,
            discrete=interface.discrete,
            multiple=options.compute.multiple,
        ),
        scales=scales_of(options, spec, interface),
        frame=frame_of(interface.robot),
        low=spec.action_low,
        high=spec.action_high,
        critic=options.critic,
        detach=options.detach,
    )


def _tokenizer(options: Pi0, interface: Interface) -> Tokenizer:
    if interface.words:
        return SmallTokenizer()
    if options.checkpoint is None:
        raise ValueError("preset '3b' needs a checkpoint, which brings weights and tokenizer")
    return tokenizer_in(located(options.checkpoint))
