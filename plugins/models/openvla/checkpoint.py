"""Checkpoint directories: `model.safetensors` and `config.json`, in the published layout."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import safetensors.torch as tensor_files

from rlvla.plugins.models.openvla.actions import Statistics
from rlvla.plugins.models.openvla.lora import merged_state
from rlvla.plugins.models.openvla.presets import to_config

if TYPE_CHECKING:
    from torch import Tensor

    from rlvla.plugins.models.openvla.network import Network
    from rlvla.plugins.models.openvla.policy import OpenVLAPolicy

PACKAGED = "rlvla:"
OWN_STATISTICS = "rlvla"
VALUE = "value_head."
_FILES: Any = tensor_files  # safetensors leaves PathLike without its argument


def directory(checkpoint: str) -> Path:
    """Return the directory that the option names; raise FileNotFoundError if there is none."""
    name = checkpoint.removeprefix(PACKAGED)
    path = Path(str(files("rlvla.configs") / name)) if name != checkpoint else Path(checkpoint)
    for file in ("config.json", "model.safetensors"):
        if not (path / file).is_file() and not (path / f"{file}.index.json").is_file():
            raise FileNotFoundError(f"checkpoint {checkpoint!r} has no file {file} in {path}")
    return path


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


def load(network: Network, path: Path) -> None:
    """Load every tensor; raise ValueError that lists what is missing, unexpected or misshapen.

    A checkpoint without the value head's tensors leaves that head as it was initialised.
    """
    found, own = _tensors(path), network.state_dict()
    if not any(name.startswith(VALUE) for name in found):
        own = {name: tensor for name, tensor in own.items() if not name.startswith(VALUE)}
    faults = {
        "missing": sorted(own.keys() - found.keys()),
        "unexpected": sorted(found.keys() - own.keys()),
        "of another shape": sorted(
            name for name in own.keys() & found.keys() if own[name].shape != found[name].shape
        ),
    }
    if any(faults.values()):
        lists = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in faults.items() if names)
        raise ValueError(f"checkpoint {path} does not fit the network: {lists}")
    network.load_state_dict(found, strict=False)


def save_checkpoint(policy: OpenVLAPolicy, target: Path | str) -> None:
    """Write the policy as a checkpoint directory; adapters are merged into their weights."""
    path = Path(target)
    path.mkdir(parents=True, exist_ok=True)
    config = to_config(policy.module.architecture)
    config["norm_stats"] = {OWN_STATISTICS: {"action": policy.reading.statistics.plain()}}
    state = {name: one.cpu().contiguous() for name, one in merged_state(policy.module).items()}
    _FILES.save_file(state, path / "model.safetensors", metadata={"format": "pt"})
    (path / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _tensors(path: Path) -> dict[str, Tensor]:
    index = path / "model.safetensors.index.json"
    if not index.is_file():
        parts = ["model.safetensors"]
    else:
        parts = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    return {
        name: tensor for part in parts for name, tensor in _FILES.load_file(path / part).items()
    }
