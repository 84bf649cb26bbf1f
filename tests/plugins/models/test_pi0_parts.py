"""The streams and the tower of pi0 against transformers' own Gemma and SigLIP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from transformers import GemmaConfig, GemmaModel, SiglipVisionConfig, SiglipVisionModel

from rlvla.plugins.models.pi0.gemma import Gemma, Places
from rlvla.plugins.models.pi0.presets import Architecture, Stream, Tower
from rlvla.plugins.models.pi0.siglip import VisionModel

if TYPE_CHECKING:
    from torch import Tensor

STREAM = Stream(width=48, hidden=80)
SIZES = Architecture(
    adaptive=False,
    image=56,
    patch=14,
    vision=Tower(width=48, depth=2, heads=4, hidden=96),
    depth=3,
    heads=4,
    head_width=16,
    language=STREAM,
    expert=STREAM,
    vocabulary=30,
    action_dim=4,
)


def scrambled(module: nn.Module) -> dict[str, Tensor]:
    """Make every weight count, norms included."""
    random = torch.Generator().manual_seed(0)
    for one in module.parameters():
        nn.init.normal_(one, std=0.5 if one.dim() < 2 else one[0].numel() ** -0.5, generator=random)
    return module.state_dict()


def load(theirs: nn.Module, state: dict[str, Tensor], *, unused: tuple[str, ...]) -> None:
    own = theirs.state_dict().keys()
    assert state.keys() <= own
    assert all(name.startswith(unused) for name in own - state.keys())
    theirs.load_state_dict(state, strict=False)
    theirs.eval()


@torch.no_grad()
@pytest.mark.parametrize("padded", [False, True])
def test_a_stream_is_gemma_of_transformers(padded: bool) -> None:
    ours = Gemma(SIZES, STREAM, adaptive=False)
    config = GemmaConfig(
        vocab_size=SIZES.vocabulary,
        hidden_size=STREAM.width,
        intermediate_size=STREAM.hidden,
        num_hidden_layers=SIZES.depth,
        num_attention_heads=SIZES.heads,
        num_key_value_heads=1,
        head_dim=SIZES.head_width,
        hidden_act="gelu_pytorch_tanh",
    )
    theirs: Any = GemmaModel(config)
    load(theirs, scrambled(ours), unused=("embed_tokens",))
    x = torch.randn(2, 9, STREAM.width, generator=torch.Generator().manual_seed(1))
    valid = torch.ones(2, 9, dtype=torch.bool)
    if padded:
        valid[1, 6:] = False
    places = Places(valid.long().cumsum(1) - 1, valid[:, None, None])
    found, _ = ours.decode(x, places)
    expected: Tensor = theirs(
        inputs_embeds=x,
        position_ids=places.positions,
        attention_mask=valid[:, None, None].expand(-1, 1, 9, -1),
    ).last_hidden_state
    assert expected.std() > 0.1
    torch.testing.assert_close(found[valid], expected[valid], atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("activation", "same"), [("gelu_pytorch_tanh", True), ("gelu", False)])
def test_the_tower_is_siglip_of_transformers_with_tanh_gelu(activation: str, same: bool) -> None:
    ours, tower = VisionModel(SIZES), SIZES.vision
    config = SiglipVisionConfig(
        hidden_size=tower.width,
        intermediate_size=tower.hidden,
        num_hidden_layers=tower.depth,
        num_attention_heads=tower.heads,
        image_size=SIZES.image,
        patch_size=SIZES.patch,
        hidden_act=activation,
    )
    theirs: Any = SiglipVisionModel(config)
    load(theirs, scrambled(ours), unused=("head",))
    images = torch.rand(2, 3, 56, 56, generator=torch.Generator().manual_seed(1)) * 2 - 1
    expected: Tensor = theirs(images).last_hidden_state
    assert expected.std() > 0.1
    assert torch.allclose(ours(images), expected, atol=2e-5, rtol=1e-5) == same
