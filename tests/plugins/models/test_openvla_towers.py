from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
import torch
from torch import nn
from transformers import (
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from rlvla.plugins.models.openvla import presets
from rlvla.plugins.models.openvla.decoder import Places, decode, llama
from rlvla.plugins.models.openvla.vision import DinoFeaturizer, SiglipFeaturizer

if TYPE_CHECKING:
    from torch import Tensor

    from rlvla.plugins.models.openvla.vision import Featurizer

SIZES = presets.Architecture(
    image=(56, 56),
    patch=14,
    dino=presets.Tower(width=24, depth=3, heads=3, hidden=96),
    siglip=presets.Tower(width=32, depth=3, heads=2, hidden=50),
    decoder=presets.Decoder(width=32, layers=2, heads=4, hidden=48, vocabulary=300, padding=4),
    tokenizer="words",
)
DINO_NAMES = {
    "attn.proj": "attention.o_proj",
    "ls1.scale_factor": "layer_scale1.lambda1",
    "ls2.scale_factor": "layer_scale2.lambda1",
    "attn.": "attention.",
}
SIGLIP_NAMES = {
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "attn.proj": "self_attn.out_proj",
    "attn.": "self_attn.",
}


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(0))


def scrambled(module: nn.Module) -> dict[str, Tensor]:
    """Give every tensor random values, so that none is neutral."""
    random = torch.Generator().manual_seed(1)
    for one in module.parameters():
        nn.init.normal_(one, std=0.2, generator=random)
    return dict(module.state_dict())


def blocks(ours: dict[str, Tensor], names: dict[str, str], layers: str) -> dict[str, Tensor]:
    """Return the blocks of a tower under the names of transformers, attention in three parts."""
    found: dict[str, Tensor] = {}
    for name, one in ours.items():
        if not name.startswith("blocks."):
            continue
        _, index, rest = name.split(".", 2)
        parts = {rest: one}
        if rest.startswith("attn.qkv."):
            ends = (f"attn.{letter}_proj.{rest.rpartition('.')[2]}" for letter in "qkv")
            parts = dict(zip(ends, one.chunk(3), strict=True))
        for part, tensor in parts.items():
            new = next((part.replace(a, b) for a, b in names.items() if a in part), part)
            found[f"{layers}.{index}.{new}"] = tensor
    return found


def load(theirs: nn.Module, state: dict[str, Tensor], *, unused: tuple[str, ...]) -> None:
    own = theirs.state_dict()
    assert state.keys() <= own.keys()
    assert [name for name in own.keys() - state.keys() if not name.startswith(unused)] == []
    theirs.load_state_dict(state, strict=False)


@torch.no_grad()
def compare(ours: Featurizer, theirs: nn.Module, images: Tensor, *, prefix: int) -> None:
    output = cast("Any", theirs.eval())(images, output_hidden_states=True)
    expected = output.hidden_states[-2][:, prefix:]
    assert expected.std() > 0.1
    torch.testing.assert_close(ours(images), expected, atol=2e-5, rtol=1e-5)


def test_dino_tower_is_that_of_transformers(images: Tensor) -> None:
    ours, tower = DinoFeaturizer(SIZES), SIZES.dino
    config = Dinov2WithRegistersConfig(
        hidden_size=tower.width,
        num_hidden_layers=tower.depth,
        num_attention_heads=tower.heads,
        image_size=56,
        patch_size=14,
        num_register_tokens=4,
        layer_norm_eps=1e-6,
    )
    theirs, state = Dinov2WithRegistersModel(config), scrambled(ours)
    position = state["pos_embed"]
    converted = blocks(state, DINO_NAMES, "encoder.layer") | {
        "embeddings.cls_token": state["cls_token"],
        "embeddings.register_tokens": state["reg_token"],
        # The class token has no position of its own in timm's tower with registers.
        "embeddings.position_embeddings": nn.functional.pad(position, (0, 0, 1, 0)),
        "embeddings.patch_embeddings.projection.weight": state["patch_embed.proj.weight"],
        "embeddings.patch_embeddings.projection.bias": state["patch_embed.proj.bias"],
    }
    load(theirs, converted, unused=("embeddings.mask_token", "layernorm"))
    compare(ours, theirs, images, prefix=5)


def test_siglip_tower_is_that_of_transformers_with_exact_gelu(images: Tensor) -> None:
    ours, tower = SiglipFeaturizer(SIZES), SIZES.siglip
    config = SiglipVisionConfig(
        hidden_size=tower.width,
        intermediate_size=tower.hidden,
        num_hidden_layers=tower.depth,
        num_attention_heads=tower.heads,
        image_size=56,
        patch_size=14,
        hidden_act="gelu",
    )
    theirs, state = SiglipVisionModel(config), scrambled(ours)
    converted = blocks(state, SIGLIP_NAMES, "encoder.layers") | {
        "embeddings.position_embedding.weight": state["pos_embed"][0],
        "embeddings.patch_embedding.weight": state["patch_embed.proj.weight"],
        "embeddings.patch_embedding.bias": state["patch_embed.proj.bias"],
    }
    load(theirs, converted, unused=("head", "post_layernorm"))
    compare(ours, theirs, images, prefix=0)


@torch.no_grad()
def test_decoder_that_sees_both_ways_is_llama_of_transformers() -> None:
    model = llama(SIZES.decoder)
    scrambled(model)
    embeddings = torch.randn(2, 9, 32, generator=torch.Generator().manual_seed(0))
    valid = torch.ones(2, 9, dtype=torch.bool)
    valid[1, 3:5] = False
    positions = (valid.cumsum(1) - 1).clamp(min=0)
    places = Places(positions, valid[:, None, None])
    ours = decode(model, embeddings, places, last=9)
    theirs = cast("Any", model).model(
        inputs_embeds=embeddings,
        position_ids=positions,
        attention_mask=valid[:, None, None].expand(-1, 1, 9, -1),
    )
    expected = theirs.last_hidden_state
    torch.testing.assert_close(ours[valid], expected[valid], atol=1e-5, rtol=1e-5)
