"""pi0 and pi0.5 in the files of openpi (PyTorch)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rlvla.plugins.models.exporting import whole
from rlvla.plugins.models.pi0.heads import OWN
from rlvla.plugins.models.pi0.interface import from_config
from rlvla.plugins.models.pi0.presets import published
from rlvla.plugins.models.pi0.scaling import STATISTICS
from rlvla.plugins.models.shards import MODEL
from rlvla.plugins.models.tensors import rounded, without, write_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from rlvla.plugins.models.pi0.policy import PiPolicy
    from rlvla.plugins.models.pi0.presets import Architecture

ASSETS = "rlvla"
"""Name of the folder in `assets` with the statistics."""
UNUSED = "paligemma_with_expert.gemma_expert.lm_head.weight"
"""The expert's output layer: it never runs, but openpi and lerobot read files that have it."""


def write_openpi(policy: PiPolicy, directory: Path, *, reduced: bool = False) -> None:
    """Write weights without our heads, `config.json`, statistics and tokenizer.

    `reduced`: the weights are bfloat16.
    """
    architecture, state = policy.module.architecture, published_tensors(policy)
    write_tensors(rounded(state) if reduced else state, directory / MODEL)
    config: dict[str, Any] = {
        "action_dim": architecture.action_dim,
        "action_horizon": policy.reading.interface.horizon,
        "precision": "bfloat16" if reduced else "float32",
        **variants(architecture),
    }
    write_json(config | section(policy, config), directory / "config.json")
    folder = directory / "assets" / ASSETS
    folder.mkdir(parents=True)
    write_json(policy.reading.scales.plain(), folder / STATISTICS)
    policy.reading.tokenizer.save(directory)


def held(policy: PiPolicy) -> dict[str, Tensor]:
    """Return the tensors that a published layout holds, by openpi's names."""
    return without(whole(policy.module), OWN)


def published_tensors(policy: PiPolicy) -> dict[str, Tensor]:
    """Return what is in the file: those that are held, and the expert's unused output layer."""
    state, architecture = held(policy), policy.module.architecture
    like = next(iter(state.values()))
    return state | {UNUSED: like.new_zeros(architecture.vocabulary, architecture.expert.width)}


def variants(architecture: Architecture) -> dict[str, str]:
    """Return openpi's names of the sizes, if they are the published ones."""
    if not is_published(architecture):
        return {}
    return {"paligemma_variant": "gemma_2b", "action_expert_variant": "gemma_300m"}


def is_published(architecture: Architecture) -> bool:
    """Whether the sizes are those of the published checkpoints, but for the action's."""
    full = published(adaptive=architecture.adaptive)
    return replace(architecture, action_dim=full.action_dim) == full


def section(policy: PiPolicy, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return our own section of `config.json`, if the rest of it does not say all."""
    architecture, interface = policy.module.architecture, policy.reading.interface
    told = from_config(config, adaptive=architecture.adaptive)
    said = replace(told, vision_heads=None) == replace(interface, vision_heads=None)
    if said and is_published(architecture):
        return {}
    heads = architecture.vision.heads
    own: dict[str, Any] = replace(interface, vision_heads=heads).plain()["rlvla"]
    return {"rlvla": own}


def write_json(content: Mapping[str, object], file: Path) -> None:
    """Write a JSON file as people read it."""
    file.write_text(json.dumps(content, indent=2) + "\n")
