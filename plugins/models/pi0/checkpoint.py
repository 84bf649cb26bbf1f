"""Checkpoint directories: openpi's layout is written; lerobot's and transformers' are read, too."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rlvla.plugins.models.pi0.heads import OWN
from rlvla.plugins.models.pi0.interface import config_of
from rlvla.plugins.models.pi0.layouts import published
from rlvla.plugins.models.pi0.lerobot import lerobot_scales
from rlvla.plugins.models.pi0.scaling import STATISTICS, openpi_scales
from rlvla.plugins.models.tensors import (
    read_tensors,
    refuse_misfit,
    restore_adapters,
    without,
    write_model,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from rlvla.plugins.models.pi0.network import Network
    from rlvla.plugins.models.pi0.policy import PiPolicy
    from rlvla.plugins.models.pi0.scaling import Scales

ADVICE = (
    "; the names are openpi's, to which those of lerobot and transformers were brought: "
    "convert the file, or load it with the version that wrote it and save it again"
)


def tensors_of(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint in float32, under openpi's names.

    They are copies: the file's own memory is not aligned alike in each file, which shows in the
    last bits of what is computed with it.
    """
    state = published(read_tensors(path))
    return {name: _float(one) if one.is_floating_point() else one for name, one in state.items()}


def scales_of(path: Path, name: str | None, *, quantiles: bool) -> Scales:
    """Return the scales that the checkpoint's statistics say; raise ValueError without any."""
    scales = openpi_scales(path, name, quantiles=quantiles) or lerobot_scales(path)
    if scales is None:
        raise ValueError(
            f"checkpoint {path} has no statistics of states and actions: neither "
            "assets/NAME/norm_stats.json (openpi) nor policy_preprocessor.json (lerobot)"
        )
    return scales


def fill(network: Network, found: Mapping[str, Tensor], path: Path, critic: str) -> None:
    """Make the tensors the network's own; raise ValueError that lists all that do not fit.

    Heads that the file does not have, or has for another value, stay as they were initialised.
    """
    own = dict(network.state_dict())
    of_same = config_of(path).get("rlvla", {}).get("critic") == critic
    alien = [
        head
        for head in OWN
        if not (_has(found, head) and _has(own, head)) or (head == "value_head" and not of_same)
    ]
    found, own = without(found, alien), without(own, alien)
    refuse_misfit(found, own, path, ADVICE)
    network.load_state_dict(found, strict=False, assign=True)


def restore(policy: PiPolicy, path: Path) -> None:
    """Load what `save_checkpoint` wrote, bit for bit; of an adapted network what is trained."""
    if not restore_adapters(policy.module, path, heads=OWN):
        found = tensors_of(path)
        refuse_misfit(found, dict(policy.module.state_dict()), path, ADVICE)
        policy.module.load_state_dict(found)


def save_checkpoint(policy: PiPolicy, target: Path | str) -> None:
    """Write the policy as a checkpoint directory: openpi's files, but without a folder in it."""
    path, reading = Path(target), policy.reading
    path.mkdir(parents=True, exist_ok=True)
    write_model(policy.module, path, heads=OWN)
    heads = policy.module.architecture.vision.heads
    config = replace(reading.interface, vision_heads=heads).plain()
    config["rlvla"]["critic"] = reading.critic
    (path / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    (path / STATISTICS).write_text(json.dumps(reading.scales.plain(), indent=2) + "\n")
    reading.tokenizer.save(path)


def _float(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float32, copy=True)


def _has(state: Mapping[str, Tensor], head: str) -> bool:
    return any(name.startswith(head) for name in state)
