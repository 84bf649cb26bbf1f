"""Checkpoint directories: `model.safetensors` and `config.json`, in the published layout."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rlvla.plugins.models.openvla import view
from rlvla.plugins.models.openvla.merging import merge
from rlvla.plugins.models.openvla.presets import to_config
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

    from torch import Tensor

    from rlvla.plugins.models.openvla.network import Network
    from rlvla.plugins.models.openvla.policy import OpenVLAPolicy
    from rlvla.plugins.models.openvla.reading import Critic
    from rlvla.plugins.models.openvla.source import Source

OWN_STATISTICS = "rlvla"
HEADS = ("value_head", "action_head", "proprio_projector")
"""What is not part of the published `model.safetensors`, but of ours."""


def fill(
    network: Network,
    source: Source,
    *,
    critic: Critic,
    parts: Mapping[str, Tensor] | None = None,
) -> None:
    """Make the files' tensors the network's own, in float32; `parts` come from other files.

    Raise ValueError that lists what is missing, unexpected or misshapen, before any is read. Heads
    that are not in the files stay as they were initialised, as does a value head that is not that
    of `critic`.
    """
    more = dict(parts or {})
    found, own = outlined(source.base) | more, dict(network.state_dict())
    alien = [head for head in HEADS if not (_has(found, head) and _has(own, head))]
    if not critic.is_that_of(source.config):
        alien.append("value_head")
    refuse_misfit(without(found, alien), without(own, alien), source.base)
    state = {name: _float(one) for name, one in read_tensors(source.base).items()}
    if source.adapter is not None:
        merge(state, source.adapter)
    network.load_state_dict(without(state | more, alien), strict=False, assign=True)


def restore(network: Network, path: Path) -> None:
    """Load what `save_checkpoint` wrote, bit for bit; of an adapted network what is trained."""
    if not restore_adapters(network, path, heads=HEADS):
        found = read_tensors(path)
        refuse_misfit(found, dict(network.state_dict()), path)
        network.load_state_dict(found)


def save_checkpoint(policy: OpenVLAPolicy, target: Path | str) -> None:
    """Write the policy as a checkpoint directory.

    Adapters are merged into their weights there, and also written by themselves.
    """
    path, reading = Path(target), policy.reading
    path.mkdir(parents=True, exist_ok=True)
    write_model(policy.module, path, heads=HEADS)
    config = to_config(policy.module.architecture)
    config["rlvla"] |= reading.critic.plain()
    config["rlvla"]["cameras"] = list(reading.cameras)
    config["rlvla"]["conventions"] = asdict(reading.view.conventions)
    config["norm_stats"] = {OWN_STATISTICS: policy.statistics}
    _write(config, path / "config.json")
    _write(reading.view.plain(), path / view.FILE)
    reading.tokenizer.save(path)


def _write(content: Mapping[str, object], file: Path) -> None:
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def _has(state: Mapping[str, Tensor], head: str) -> bool:
    return any(name.startswith(f"{head}.") for name in state)


def _float(tensor: Tensor) -> Tensor:
    """Return a copy: a file's own memory is aligned by chance, which shows in the last bits."""
    return tensor.to(torch.float32, copy=True)
