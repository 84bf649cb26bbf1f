"""Checkpoint directories: `model.safetensors` and `config.json`, in the published layout."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import safetensors.torch as tensor_files

from rlvla.plugins.models.openvla.actions import Statistics
from rlvla.plugins.models.openvla.presets import to_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from rlvla.plugins.models.openvla.network import Network
    from rlvla.plugins.models.openvla.policy import OpenVLAPolicy

PACKAGED = "rlvla:"
OWN_STATISTICS = "rlvla"
VALUE = "value_head."
ADAPTERS = "adapters.safetensors"
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


def load(network: Network, path: Path, *, critic: str) -> None:
    """Load every tensor; raise ValueError that lists what is missing, unexpected or misshapen.

    A checkpoint without a value head, or with that of another critic, leaves the network's own
    as it was initialised.
    """
    found, own = _tensors(path), dict(network.state_dict())
    if config_of(path).get("rlvla", {}).get("critic") != critic:
        found = _without_value(found)
    if _without_value(found).keys() == found.keys():
        own = _without_value(own)
    _refuse_misfit(found, own, path)
    network.load_state_dict(found, strict=False)


def restore(network: Network, path: Path, *, critic: str) -> None:
    """Load what `save_checkpoint` wrote, bit for bit; of an adapted network what is trained.

    The weights below the adapters come from where the network was built from.
    """
    own = _adapters(network)
    if not own:
        load(network, path, critic=critic)
        return
    found: dict[str, Tensor] = _FILES.load_file(path / ADAPTERS)
    _refuse_misfit(found, own, path)
    network.load_state_dict(found, strict=False)


def save_checkpoint(policy: OpenVLAPolicy, target: Path | str) -> None:
    """Write the policy as a checkpoint directory.

    Adapters are merged into their weights there, and also written by themselves.
    """
    path = Path(target)
    path.mkdir(parents=True, exist_ok=True)
    network, adapters = policy.module, _adapters(policy.module)
    state = _merged(network) if adapters else dict(network.state_dict())
    _write(state, path / "model.safetensors")
    if adapters:
        _write(adapters, path / ADAPTERS)
    config = to_config(network.architecture)
    config["rlvla"]["critic"] = policy.reading.critic
    config["norm_stats"] = {OWN_STATISTICS: {"action": policy.reading.statistics.plain()}}
    (path / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _adapters(network: Network) -> dict[str, Tensor]:
    """Return what an adapted network trains; nothing for one without adapters."""
    state = network.state_dict()
    if not any(".lora_" in name for name in state):
        return {}
    return {name: one for name, one in state.items() if ".lora_" in name or name.startswith(VALUE)}


def _merged(network: Network) -> dict[str, Tensor]:
    # peft takes a second to import, which a network without adapters need not wait for.
    from rlvla.plugins.models.openvla.lora import merged_state

    return merged_state(network)


def _write(state: Mapping[str, Tensor], file: Path) -> None:
    plain = {name: one.detach().cpu().contiguous() for name, one in state.items()}
    _FILES.save_file(plain, file, metadata={"format": "pt"})


def _refuse_misfit(found: Mapping[str, Tensor], own: Mapping[str, Tensor], path: Path) -> None:
    shared = own.keys() & found.keys()
    faults = {
        "missing": sorted(own.keys() - found.keys()),
        "unexpected": sorted(found.keys() - own.keys()),
        "of another shape": sorted(n for n in shared if own[n].shape != found[n].shape),
    }
    if any(faults.values()):
        lists = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in faults.items() if names)
        raise ValueError(f"checkpoint {path} does not fit the network: {lists}")


def _without_value(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.startswith(VALUE)}


def _tensors(path: Path) -> dict[str, Tensor]:
    index = path / "model.safetensors.index.json"
    parts = {"model.safetensors"}
    if index.is_file():
        parts = set(json.loads(index.read_text())["weight_map"].values())
    state: dict[str, Tensor] = {}
    for part in parts:
        state |= _FILES.load_file(path / part)
    return state
