"""OpenVLA and OpenVLA-OFT in the files that the originals publish and read."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from rlvla.plugins.models.exporting import whole
from rlvla.plugins.models.openvla import view
from rlvla.plugins.models.openvla.checkpoint import HEADS, OWN_STATISTICS
from rlvla.plugins.models.openvla.presets import PUBLISHED_TOWERS, published, to_config
from rlvla.plugins.models.openvla.source import STATISTICS
from rlvla.plugins.models.tensors import rounded, without, write_parts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from rlvla.plugins.models.openvla.policy import OpenVLAPolicy
    from rlvla.plugins.models.openvla.presets import Architecture
    from rlvla.plugins.models.openvla.view import View

COMPONENTS = ("action_head", "proprio_projector")
"""OFT's heads, which have a file each."""
COMPONENT_FILE = "{name}--latest_checkpoint.pt"
REPOSITORY = "openvla/openvla-7b"
"""Whose files of code transformers loads, if its user trusts them."""
PREFIX = "module."
"""Left by distributed training in the published files."""


def write_published(policy: OpenVLAPolicy, directory: Path, *, reduced: bool = False) -> None:
    """Write what the originals read: weights without our value head, JSON files and tokenizer.

    `reduced`: the weights are bfloat16, as published ones are.
    """
    reading, architecture = policy.reading, policy.module.architecture
    state = without(whole(policy.module), HEADS)
    write_parts(rounded(state) if reduced else state, directory)
    config = to_config(architecture) | _stated(architecture)
    config["auto_map"] = _code(
        AutoConfig="configuration_prismatic.OpenVLAConfig",
        AutoModelForVision2Seq="modeling_prismatic.OpenVLAForActionPrediction",
    )
    config["torch_dtype"] = "bfloat16" if reduced else "float32"
    config["text_config"] |= {"pad_token_id": architecture.decoder.vocabulary}
    config["rlvla"]["conventions"] = asdict(reading.view.conventions)
    config["norm_stats"] = {OWN_STATISTICS: policy.statistics}
    _write(config, directory / "config.json")
    _write(_processor(reading.view), directory / view.FILE)
    write_beside(policy, directory)
    reading.tokenizer.save(directory)


def write_beside(policy: OpenVLAPolicy, directory: Path) -> None:
    """Write what a fine-tune has beside weights or adapters: its statistics and OFT's heads."""
    _write({OWN_STATISTICS: policy.statistics}, directory / STATISTICS)
    for name, state in _components(policy.module).items():
        torch.save(state, directory / COMPONENT_FILE.format(name=name))


def read_components(network: nn.Module, directory: Path) -> None:
    """Load what `write_beside` wrote of OFT's heads into a network that has them."""
    for name in _components(network):
        file = directory / COMPONENT_FILE.format(name=name)
        state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
        named = {key.removeprefix(PREFIX): one for key, one in state.items()}
        network.get_submodule(name).load_state_dict(named)


def of_components(network: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of OFT's heads by their names in the network."""
    kept = tuple(f"{name}." for name in COMPONENTS)
    state = network.state_dict()
    return {name: one.detach() for name, one in state.items() if name.startswith(kept)}


def _components(network: nn.Module) -> dict[str, dict[str, Tensor]]:
    """Return OFT's heads that the network has, each by the names of its file."""
    files: dict[str, dict[str, Tensor]] = {}
    for name, one in of_components(network).items():
        component, _, rest = name.partition(".")
        files.setdefault(component, {})[f"{PREFIX}{rest}"] = one.cpu().clone()
    return files


def _stated(architecture: Architecture) -> dict[str, Any]:
    """Return the fields of the published `config.json` that rlvla does without."""
    fields: dict[str, Any] = {
        "image_resize_strategy": "resize-naive",
        "output_projector_states": False,
        "pad_token_id": architecture.decoder.vocabulary,
    }
    full = published()
    if (architecture.dino, architecture.siglip) == (full.dino, full.siglip):
        fields |= {
            "timm_model_ids": list(PUBLISHED_TOWERS),
            "timm_override_act_layers": [None, None],
            "vision_backbone_id": "dinosiglip-vit-so-224px",
        }
    if architecture.decoder == full.decoder:
        fields |= {
            "hf_llm_id": "meta-llama/Llama-2-7b-hf",
            "llm_backbone_id": "llama2-7b-pure",
            "llm_max_length": 2048,
        }
    return fields


def _processor(seen: View) -> dict[str, object]:
    """Return `preprocessor_config.json` with the fields that the original's constructor takes."""
    return seen.plain() | {
        "auto_map": _code(
            AutoImageProcessor="processing_prismatic.PrismaticImageProcessor",
            AutoProcessor="processing_prismatic.PrismaticProcessor",
        ),
        "processor_class": "PrismaticProcessor",
        "input_sizes": [[3, *seen.size]] * 2,
        "interpolations": ["bicubic"] * 2,
        "means": [list(one.mean) for one in (seen.dino, seen.siglip)],
        "stds": [list(one.std) for one in (seen.dino, seen.siglip)],
    }


def _code(**classes: str) -> dict[str, str]:
    """Return `auto_map`: where the published loading code finds its classes, as fine-tunes say."""
    return {name: f"{REPOSITORY}--{one}" for name, one in classes.items()}


def _write(content: Mapping[str, object], file: Path) -> None:
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
