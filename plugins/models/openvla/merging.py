"""Published low-rank adapters, added to the weights that they were trained on."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from rlvla.plugins.models.openvla.source import ADAPTER_CONFIG
from rlvla.plugins.models.tensors import read_file

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

FILE = "adapter_model.safetensors"
PREFIX = "base_model.model."
FIRST, SECOND = ".lora_A.weight", ".lora_B.weight"
UNSUPPORTED = ("alpha_pattern", "fan_in_fan_out", "modules_to_save", "rank_pattern", "use_dora")


def merge(state: dict[str, Tensor], adapter: Path) -> None:
    """Add an adapter directory of peft to the weights of `state`, in place.

    Raise ValueError if it has what is not the product of two matrices for one of the weights.
    """
    config: dict[str, Any] = json.loads((adapter / ADAPTER_CONFIG).read_text())
    asked = [name for name in UNSUPPORTED if config.get(name)]
    if asked or config.get("bias", "none") != "none":
        raise ValueError(f"checkpoint's {adapter / ADAPTER_CONFIG} asks for {asked or ['bias']}")
    rank, alpha = config["r"], config["lora_alpha"]
    scale = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
    found = read_file(adapter / FILE)
    for name in _names(found, state, adapter):
        first, second = found[f"{PREFIX}{name}{FIRST}"], found[f"{PREFIX}{name}{SECOND}"]
        weight = state[f"{name}.weight"]
        product = second.float().flatten(1) @ first.float().flatten(1)
        weight.add_(product.view_as(weight), alpha=scale)


def _names(found: dict[str, Tensor], state: dict[str, Tensor], adapter: Path) -> list[str]:
    """Return the modules that have adapters."""
    names = sorted(
        name.removeprefix(PREFIX).removesuffix(FIRST) for name in found if name.endswith(FIRST)
    )
    pairs = {f"{PREFIX}{name}{end}" for name in names for end in (FIRST, SECOND)}
    alien = sorted(pairs ^ found.keys())
    alien += [name for name in names if f"{name}.weight" not in state]
    if alien:
        raise ValueError(f"checkpoint's {adapter / FILE} does not fit: {', '.join(alien)}")
    return names
