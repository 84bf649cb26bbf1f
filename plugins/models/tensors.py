"""The tensors of a checkpoint directory: `model.safetensors`, whole or in parts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import safetensors.torch as tensor_files
import torch
from safetensors import SafetensorError, safe_open

from rlvla.plugins.models.shards import INDEX, MODEL, files_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn

PART = 5_000_000_000
"""Bytes that a part of published weights has at most."""
ADAPTERS = "adapters.safetensors"
_FILES: Any = tensor_files  # safetensors leaves PathLike without its argument
_OPEN: Any = safe_open  # and has no types here


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return all tensors of a checkpoint; of several files if it has an index."""
    state: dict[str, Tensor] = {}
    for file in files_of(path):
        state |= read_file(file)
    return state


def read_file(file: Path) -> dict[str, Tensor]:
    """Return the tensors of one file; raise ValueError if it is missing or not whole."""
    try:
        state: dict[str, Tensor] = _FILES.load_file(file)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"checkpoint's file {file} cannot be read: {error}") from None
    return state


def outlined(path: Path) -> dict[str, Tensor]:
    """Return what `read_tensors` will, without memory: only the files' headers are read.

    Raise ValueError for a file that is missing or not whole.
    """
    state: dict[str, Tensor] = {}
    for file in files_of(path):
        state |= outline_of(file)
    return state


def outline_of(file: Path) -> dict[str, Tensor]:
    """Return the tensors of one file, without memory."""
    try:
        with _OPEN(file, framework="pt") as opened:
            shapes = {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118 - no dict
    except (OSError, SafetensorError) as error:
        raise ValueError(f"checkpoint's file {file} cannot be read: {error}") from None
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def write_tensors(state: Mapping[str, Tensor], file: Path) -> None:
    """Write tensors into one file."""
    plain = {name: one.detach().cpu().contiguous() for name, one in state.items()}
    _FILES.save_file(plain, file, metadata={"format": "pt"})


def rounded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with numbers in bfloat16."""
    return {n: one.bfloat16() if one.is_floating_point() else one for n, one in state.items()}


def write_parts(state: Mapping[str, Tensor], path: Path, *, most: int = PART) -> None:
    """Write `model.safetensors`, or parts of at most `most` bytes and an index if it is larger."""
    parts = _parts(state, most)
    if len(parts) == 1:
        write_tensors(state, path / MODEL)
        return
    files: dict[str, str] = {}
    for number, names in enumerate(parts, 1):
        file = f"model-{number:05}-of-{len(parts):05}.safetensors"
        write_tensors({name: state[name] for name in names}, path / file)
        files |= dict.fromkeys(names, file)
    index = {"metadata": {"total_size": sum(map(_size, state.values()))}, "weight_map": files}
    (path / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def _parts(state: Mapping[str, Tensor], most: int) -> list[list[str]]:
    """Return the names of each part, in their order; a tensor that is larger is a part alone."""
    parts: list[list[str]] = [[]]
    size = 0
    for name, one in state.items():
        if parts[-1] and size + _size(one) > most:
            parts.append([])
            size = 0
        parts[-1].append(name)
        size += _size(one)
    return parts


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def write_model(network: nn.Module, path: Path, *, heads: Sequence[str]) -> None:
    """Write a network; adapters are merged into their weights there, and also written alone."""
    adapters = adapted(network, heads)
    if not adapters:
        write_tensors(network.state_dict(), path / MODEL)
        return
    # peft takes a second to import, which a network without adapters need not wait for.
    from rlvla.plugins.models.adapters import merged_state

    write_tensors(merged_state(network), path / MODEL)
    write_tensors(adapters, path / ADAPTERS)


def restore_adapters(network: nn.Module, path: Path, *, heads: Sequence[str]) -> bool:
    """Load what `write_model` wrote of an adapted network; return false for one that is not.

    The weights below the adapters come from where the network was built from.
    """
    own = adapted(network, heads)
    if own:
        found: dict[str, Tensor] = _FILES.load_file(path / ADAPTERS)
        refuse_misfit(found, own, path)
        network.load_state_dict(found, strict=False)
    return bool(own)


def adapted(network: nn.Module, heads: Sequence[str]) -> dict[str, Tensor]:
    """Return what an adapted network trains; nothing for one without adapters."""
    state = network.state_dict()
    if not any(".lora_" in name for name in state):
        return {}
    kept = (*heads, *(name for name, one in network.named_parameters() if one.requires_grad))
    return {name: one for name, one in state.items() if ".lora_" in name or name.startswith(kept)}


def without(state: Mapping[str, Tensor], heads: Sequence[str]) -> dict[str, Tensor]:
    """Return the tensors that are not of these heads."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(tuple(heads))}


def refuse_misfit(
    found: Mapping[str, Tensor], own: Mapping[str, Tensor], path: Path, advice: str = ""
) -> None:
    """Raise ValueError that lists what is missing, unexpected or misshapen, if anything is."""
    shared = own.keys() & found.keys()
    faults = {
        "missing": sorted(own.keys() - found.keys()),
        "unexpected": sorted(found.keys() - own.keys()),
        "of another shape": sorted(n for n in shared if own[n].shape != found[n].shape),
    }
    if any(faults.values()):
        lists = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in faults.items() if names)
        raise ValueError(f"checkpoint {path} does not fit the network: {lists}{advice}")
