"""From options to a policy: sizes, weights, statistics and tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlvla.plugins.models.directory import directory
from rlvla.plugins.models.openvla import checkpoint, critic, presets
from rlvla.plugins.models.openvla.actions import Statistics
from rlvla.plugins.models.openvla.initialisation import initialise
from rlvla.plugins.models.openvla.network import Network
from rlvla.plugins.models.openvla.policy import OpenVLAPolicy, Reading
from rlvla.plugins.models.openvla.prompt import Prompter
from rlvla.plugins.models.openvla.tokenizer import FileTokenizer, words
from rlvla.plugins.models.privileged import privileged
from rlvla.plugins.models.seeded import seeded

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.lora import LoRA
    from rlvla.plugins.models.openvla import OpenVLA
    from rlvla.plugins.models.openvla.presets import Architecture
    from rlvla.plugins.models.openvla.tokenizer import Tokenizer


def build(options: OpenVLA, spec: SimulatorSpec, *, seed: int) -> OpenVLAPolicy:
    """Build the policy in float32 on the CPU; raise ValueError if options and files disagree."""
    path = None if options.checkpoint is None else directory(options.checkpoint)
    config = {} if path is None else checkpoint.config_of(path)
    architecture = presets.from_config(config) if config else _preset(options, spec)
    reading = _reading(options, spec, config, _tokenizer(architecture, path))
    with seeded(seed):
        network = Network(architecture, _critic(options, spec, architecture))
        if path is None:
            initialise(network)
        else:
            checkpoint.load(network, path, critic=options.critic)
        if options.lora is not None:
            _adapt(network, options.lora)
    return OpenVLAPolicy(network, reading)


def _adapt(network: Network, options: LoRA) -> None:
    # peft takes a second to import, which a network without adapters need not wait for.
    from rlvla.plugins.models.adapters import add_adapters

    add_adapters(network, options, heads=["value_head"], output="language_model.lm_head")


def _preset(options: OpenVLA, spec: SimulatorSpec) -> Architecture:
    if options.preset == "7b":
        return presets.published()
    return presets.tiny(next(iter(spec.cameras.values())))


def _critic(options: OpenVLA, spec: SimulatorSpec, architecture: Architecture) -> nn.Module:
    if options.critic == "privileged":
        return privileged(spec.privileged, option="critic")
    return critic.head(architecture)


def _tokenizer(architecture: Architecture, path: Path | None) -> Tokenizer:
    if architecture.tokenizer == "words":
        return words()
    if path is None:
        raise ValueError("preset '7b' needs a checkpoint, which brings the tokenizer")
    return FileTokenizer(path / "tokenizer.json")


def _reading(
    options: OpenVLA, spec: SimulatorSpec, config: dict[str, Any], tokenizer: Tokenizer
) -> Reading:
    statistics = checkpoint.statistics_of(config, options.statistics)
    statistics = statistics or Statistics.of_simulator(spec)
    if len(statistics.q01) != spec.action_dim:
        raise ValueError(
            f"the checkpoint's actions have {len(statistics.q01)} dimensions, "
            f"the simulator's have {spec.action_dim}"
        )
    return Reading(
        cameras=tuple(spec.cameras),
        prompter=Prompter(tokenizer, options.prompt),
        statistics=statistics,
        dimensions=spec.action_dim,
        critic=options.critic,
        detach=options.detach,
    )
