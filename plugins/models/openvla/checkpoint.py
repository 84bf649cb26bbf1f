"""Checkpoint directories: `model.safetensors` and `config.json`, in the published layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rlvla.plugins.models.openvla.actions import Statistics
from rlvla.plugins.models.openvla.presets import to_config
from rlvla.plugins.models.tensors import (
    read_tensors,
    refuse_misfit,
    restore_adapters,
    without,
    write_model,
)

if TYPE_CHECKING:
    from rlvla.plugins.models.openvla.network import Network
    from rlvla.plugins.models.openvla.policy import OpenVLAPolicy

OWN_STATISTICS = "rlvla"
HEADS = ("value_head",)


def config_of(path: Path) -> dict[str, Any]:
    """Return `config.json`, its `norm_stats` overridden by `dataset_statistics.json` if there."""
    config: dict[str, Any] = json.loads((path / "config.json").read_text())
    override = path / "dataset_statistics.json"
    if override.is_file():
        config["norm_stats"] = json.loads(override.read_text())
    return config


def statistics_of(config: dict[str, Any], name: str | None) -> Statistics | None:
    """Return the action statistics called `name`, or the only ones; None if there are none."""
    known = cast("dict[str, Any]", config.get("norm_stats") or {})
    if name is None and len(known) > 1:
        raise ValueError(f"statistics must name one of {', '.join(sorted(known))}")
    if name is not None and name not in known:
        choices = ", ".join(sorted(known)) or "none"
        raise ValueError(f"statistics {name!r} are not in the checkpoint, it has: {choices}")
    chosen = name or next(iter(known), None)
    return None if chosen is None else Statistics.of_dataset(known[chosen]["action"])


def load(network: Network, path: Path, *, critic: str) -> None:
    """Load every tensor; raise ValueError that lists what is missing, unexpected or misshapen.

    A checkpoint without a value head, or with that of another critic, leaves the network's own
    as it was initialised.
    """
    found, own = read_tensors(path), dict(network.state_dict())
    if config_of(path).get("rlvla", {}).get("critic") != critic:
        found = without(found, HEADS)
    if without(found, HEADS).keys() == found.keys():
        own = without(own, HEADS)
    refuse_misfit(found, own, path)
    network.load_state_dict(found, strict=False)


def restore(network: Network, path: Path, *, critic: str) -> None:
    """Load what `save_checkpoint` wrote, bit for bit; of an adapted network what is trained."""
    if not restore_adapters(network, path, heads=HEADS):
        load(network, path, critic=critic)


def save_checkpoint(policy: OpenVLAPolicy, target: Path | str) -> None:
    """Write the policy as a checkpoint directory.

    Adapters are merged into their weights there, and also written by themselves.
    """
    path = Path(target)
    path.mkdir(parents=True, exist_ok=True)
    network = policy.module
    write_model(network, path, heads=HEADS)
    config = to_config(network.architecture)
    config["rlvla"]["critic"] = policy.reading.critic
    config["norm_stats"] = {OWN_STATISTICS: {"action": policy.reading.statistics.plain()}}
    (path / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
