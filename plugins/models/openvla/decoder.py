"""The Llama decoder's pass over `transformers`' modules, computing only what is needed.

The last layer needs keys and values of all positions, but queries and MLP only where an output
is read. In a small network with a long prefix that saves a third of the work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from rlvla.plugins.models.computing import through

if TYPE_CHECKING:
    from rlvla.plugins.models.openvla.presets import Decoder


def llama(sizes: Decoder) -> LlamaForCausalLM:
    """Build the decoder; epsilon and rotary base are those of the published checkpoint."""
    config = LlamaConfig(
        hidden_size=sizes.width,
        intermediate_size=sizes.hidden,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.heads,
        vocab_size=sizes.vocabulary + sizes.padding,
        pad_token_id=sizes.vocabulary,
        rms_norm_eps=1e-6,
        max_position_embeddings=2048,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    # Its frequencies are no weights: no file fills them in where the rest has no memory yet.
    with torch.device("cpu"):
        model.model.rotary_emb = LlamaRotaryEmbedding(config)
    return model


KeysValues: TypeAlias = tuple[Tensor, Tensor]
"""Of one layer, [B, heads, length, head width] each."""


@dataclass
class Cache:
    """Keys and values of each layer, for tokens that follow, with room for all of these.

    Tokens that are yet to come are zeros, so that sizes are the same for each.
    """

    room: int
    """Tokens that there will be in all."""
    length: int = 0
    """Tokens that are in it."""
    layers: list[KeysValues] = field(default_factory=list[KeysValues])

    def begin(self, first: KeysValues) -> None:
        """Take in the first tokens of the next layer."""
        keys, values = (functional.pad(x, (0, 0, 0, self.room - x.shape[2])) for x in first)
        self.layers.append((keys, values))

    def places(self, count: int, device: torch.device) -> Tensor:
        """Return where the next `count` tokens go, int64 [count]."""
        first, self.length = self.length, self.length + count
        return torch.arange(first, self.length, device=device)


@dataclass(frozen=True)
class Places:
    """Where the S tokens of a pass stand and what they may see."""

    positions: Tensor
    """Rotary positions, int64 [B or 1, S]."""
    mask: Tensor
    """Bool [B or 1, 1, S, K]: which of the K keys, those in the cache first."""


@dataclass(frozen=True)
class _Pass:
    """What all layers of a pass share."""

    cos: Tensor
    sin: Tensor
    mask: Tensor
    at: Tensor | None
    """Where the tokens go in what is held, int64 [S]."""


def decode(
    language_model: Any,  # noqa: ANN401 - Llama, possibly with adapters in it
    hidden: Tensor,
    places: Places,
    *,
    last: int,
    cache: Cache | None = None,
) -> Tensor:
    """Return the final hidden states of the `last` positions, [B, last, width].

    `hidden` [B, S, width] are embeddings; `cache` takes them in. If it holds what comes before
    them, the mask is for all that it has room for.
    """
    model = language_model.model
    cos, sin = model.rotary_emb(hidden[..., :1].float(), places.positions)
    held = None if cache is None or not cache.length else cache.layers
    at = None if cache is None else cache.places(hidden.shape[1], hidden.device)
    shared = _Pass(cos.unsqueeze(1), sin.unsqueeze(1), places.mask, at)
    for index, layer in enumerate(model.layers):
        keep = last if index == len(model.layers) - 1 else hidden.shape[1]
        before = None if held is None else held[index]
        hidden, own = through(_layer, layer, hidden, shared, before, keep)
        if cache is not None and held is None:
            cache.begin(own)
    final: Tensor = model.norm(hidden)
    return final


def _layer(
    layer: Any,  # noqa: ANN401 - LlamaDecoderLayer, possibly with adapters in it
    hidden: Tensor,
    shared: _Pass,
    held: KeysValues | None,
    keep: int,
) -> tuple[Tensor, KeysValues]:
    """Return the output at the last `keep` positions, and all keys and values."""
    mixed, seen = _attend(layer.self_attn, layer.input_layernorm(hidden), shared, held, keep)
    hidden = hidden[:, -keep:] + mixed
    return hidden + layer.mlp(layer.post_attention_layernorm(hidden)), seen


def _attend(
    attention: Any,  # noqa: ANN401 - LlamaAttention, possibly with adapters in it
    x: Tensor,
    shared: _Pass,
    held: KeysValues | None,
    keep: int,
) -> tuple[Tensor, KeysValues]:
    """Return what the last `keep` positions take from all of `x` and what is held."""
    keys = _rotate(_split(attention.k_proj(x), attention.head_dim), shared)
    values = _split(attention.v_proj(x), attention.head_dim)
    if held is not None and shared.at is not None:
        keys = held[0].index_copy_(2, shared.at, keys)
        values = held[1].index_copy_(2, shared.at, values)
    queries = _rotate(_split(attention.q_proj(x[:, -keep:]), attention.head_dim), shared)
    mixed = functional.scaled_dot_product_attention(
        queries, keys, values, attn_mask=shared.mask[:, :, -keep:]
    )
    out: Tensor = attention.o_proj(mixed.transpose(1, 2).flatten(2))
    return out, (keys, values)


def _split(x: Tensor, width: int) -> Tensor:
    return x.view(*x.shape[:2], -1, width).transpose(1, 2)


def _rotate(x: Tensor, shared: _Pass) -> Tensor:
    """Turn [B, heads, n, head width] by the positions of the last n tokens."""
    cos, sin = shared.cos[:, :, -x.shape[2] :], shared.sin[:, :, -x.shape[2] :]
    first, second = x.chunk(2, -1)
    return (x * cos + torch.cat([-second, first], -1) * sin).to(x.dtype)
