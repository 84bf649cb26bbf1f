"""Checkpoint directories: openpi's layout for PyTorch is written; others are read, too."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlvla.plugins.models.pi0.flax import translated, vision_heads
from rlvla.plugins.models.pi0.heads import OWN
from rlvla.plugins.models.pi0.interface import config_of
from rlvla.plugins.models.pi0.layouts import published
from rlvla.plugins.models.pi0.location import is_orbax, located
from rlvla.plugins.models.pi0.low_rank import Merged
from rlvla.plugins.models.pi0.orbax import Arrays
from rlvla.plugins.models.pi0.scaling import STATISTICS
from rlvla.plugins.models.tensors import (
    outlined,
    read_tensors,
    refuse_misfit,
    restore_adapters,
    without,
    write_model,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.plugins.models.pi0.network import Network
    from rlvla.plugins.models.pi0.policy import PiPolicy

ADVICE = (
    "; the names are openpi's, to which those of lerobot and transformers were brought: "
    "convert the file, or load it with the version that wrote it and save it again"
)


@dataclass(frozen=True)
class Weights:
    """The tensors of a checkpoint, which are not read before they are asked for."""

    path: Path
    outline: Mapping[str, Tensor]
    """All of them, under openpi's names, without memory."""
    vision_heads: int | None = None
    """Heads of the vision tower, if the tensors' layout tells."""

    def read(self) -> dict[str, Tensor]:
        """Return the tensors in float32, under openpi's names."""
        return tensors_of(self.path)


def weights_in(checkpoint: str) -> Weights:
    """Return the weights of a checkpoint directory; raise ValueError if a file is not whole."""
    path = located(checkpoint)
    if not is_orbax(path):
        return Weights(path, published(outlined(path)))
    arrays = Merged(Arrays(path)).outlined()
    found = {
        key: one for name, array in arrays.items() for key, one in translated(name, array).items()
    }
    return Weights(path, found, vision_heads(arrays))


def tensors_of(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint in float32, under openpi's names.

    They are copies: the file's own memory is not aligned alike in each file, which shows in the
    last bits of what is computed with it.
    """
    if is_orbax(path):
        return _arrays(path)
    state = published(read_tensors(path))
    return {name: _float(one) if one.is_floating_point() else one for name, one in state.items()}


def fill(network: Network, weights: Weights, critic: str) -> None:
    """Make the weights the network's own.

    Raise ValueError that lists all that do not fit, before any is read. Heads that the file does
    not have, or has for another value, stay as they were initialised.
    """
    found, own = weights.outline, dict(network.state_dict())
    of_same = config_of(weights.path).get("rlvla", {}).get("critic") == critic
    alien = [
        head
        for head in OWN
        if not (_has(found, head) and _has(own, head)) or (head == "value_head" and not of_same)
    ]
    refuse_misfit(without(found, alien), without(own, alien), weights.path, ADVICE)
    network.load_state_dict(without(weights.read(), alien), strict=False, assign=True)


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


def _arrays(path: Path) -> dict[str, Tensor]:
    arrays, found = Merged(Arrays(path)), dict[str, Tensor]()
    for name in arrays.outlined():
        found |= translated(name, arrays.read(name))
    return found


def _float(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float32, copy=True)


def _has(state: Mapping[str, Tensor], head: str) -> bool:
    return any(name.startswith(head) for name in state)
