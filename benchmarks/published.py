"""Checkpoints of random weights in the layouts that OpenVLA and openpi publish, made here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import safetensors.torch as tensor_files
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn

from rlvla.plugins.models.openvla import PROMPT
from rlvla.plugins.models.openvla import presets as openvla
from rlvla.plugins.models.openvla.network import Network as OpenVLANetwork
from rlvla.plugins.models.pi0 import presets as pi0
from rlvla.plugins.models.pi0.interface import ACTION_DIM, CAMERAS, HORIZON, Interface
from rlvla.plugins.models.pi0.network import Network as PiNetwork
from rlvla.plugins.models.pi0.scaling import Scales

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from rlvla.core.types import SimulatorSpec

SHARD = 5_000_000_000
"""Bytes of a file, as published."""
STD = 0.02
_FILES: Any = tensor_files  # safetensors leaves PathLike without its argument


def write_openvla(
    path: Path, architecture: openvla.Architecture, spec: SimulatorSpec, device: torch.device
) -> None:
    """Write OpenVLA's files: parts with an index, statistics and, at full size, a tokenizer."""
    config = openvla.to_config(architecture)
    if architecture == openvla.published():
        del config["rlvla"]
        config["timm_model_ids"] = list(openvla.PUBLISHED_TOWERS)
        _words(PROMPT.split(), []).save(str(path / "tokenizer.json"))
    action = {"q01": list(spec.action_low), "q99": list(spec.action_high)}
    config["norm_stats"] = {"made": {"action": action}}
    (path / "config.json").write_text(json.dumps(config))
    with torch.device("meta"):
        network = OpenVLANetwork(architecture, nn.Identity())
    places = dict[str, str]()
    for number, part in enumerate(_parts(network, device)):
        name = f"model-{number:05}.safetensors"
        _FILES.save_file(part, path / name, metadata={"format": "pt"})
        places |= dict.fromkeys(part, name)
    index = {"metadata": {}, "weight_map": places}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))


def write_pi0(
    path: Path, architecture: pi0.Architecture, spec: SimulatorSpec, device: torch.device
) -> None:
    """Write openpi's PyTorch files: one of tensors, statistics and, at full size, a tokenizer."""
    full = architecture == pi0.published(adaptive=False)
    interface = Interface(
        horizon=HORIZON if full else 4,
        action_dim=ACTION_DIM if full else architecture.action_dim,
        tokens=48,
        cameras=CAMERAS if full else tuple(spec.cameras),
        discrete=False,
        words=not full,
        vision_heads=architecture.vision.heads,
    )
    if full:
        _words([], ["<pad>", "<eos>", "<bos>"]).save(str(path / "tokenizer.json"))
    (path / "config.json").write_text(json.dumps(interface.plain()))
    statistics = path / "assets" / "made" / "norm_stats.json"
    statistics.parent.mkdir(parents=True)
    statistics.write_text(json.dumps(Scales.of_simulator(spec).plain()))
    with torch.device("meta"):
        network = PiNetwork(architecture, nn.Identity())
    state = {name: tensor for part in _parts(network, device) for name, tensor in part.items()}
    del state["imitated"]
    _FILES.save_file(state, path / "model.safetensors", metadata={"format": "pt"})


def _parts(network: nn.Module, device: torch.device) -> Iterator[dict[str, Tensor]]:
    """Yield random bfloat16 weights, as many at a time as make a file."""
    random = torch.Generator(device).manual_seed(0)
    part, size = dict[str, "Tensor"](), 0
    for name, one in network.state_dict().items():
        part[name] = _made(name, one, random).to("cpu", torch.bfloat16)
        size += part[name].nbytes
        if size > SHARD:
            yield part
            part, size = {}, 0
    yield part


def _made(name: str, like: Tensor, random: torch.Generator) -> Tensor:
    """Return weights that let numbers through: those of norms are 1, or 0 where 1 is added."""
    if like.dim() > 1:
        made = torch.empty(like.shape, device=random.device, dtype=torch.bfloat16)
        return made.normal_(std=STD, generator=random)
    added = "paligemma_with_expert" in name and "vision_tower" not in name
    return torch.full(like.shape, float(name.endswith("weight") and not added))


def _words(words: list[str], special: list[str]) -> Tokenizer:
    """Return a tokenizer of one id a word, as many as Llama's or PaliGemma's have on average."""
    known = [*special, "<unk>", *words, *"abcdefghijklmnopqrstuvwxyz"]
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(known))}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made
