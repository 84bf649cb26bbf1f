"""The Llama decoder's pass over `transformers`' modules, computing only what is needed.

The last layer needs keys and values of all positions, but queries and MLP only where an output
is read. In a small network with a long prefix that saves a third of the work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

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


@dataclass
class Cache:
    """Keys and values [B, heads, length, head width] of each layer, for tokens that follow."""

    entries: dict[int, tuple[Tensor, Tensor]] = field(
        default_factory=dict[int, tuple[Tensor, Tensor]]
    )

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append to a layer and return all that it holds."""
        if layer in self.entries:
            old_keys, old_values = self.entries[layer]
            keys, values = torch.cat([old_keys, keys], 2), torch.cat([old_values, values], 2)
        self.entries[layer] = keys, values
        return keys, values


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
    cache: Cache


def decode(
    language_model: Any,  # noqa: ANN401 - Llama, possibly with adapters in it
    hidden: Tensor,
    places: Places,
    *,
    last: int,
    cache: Cache,
) -> Tensor:
    """Return the final hidden states of the `last` positions, [B, last, width].

    `hidden` [B, S, width] are embeddings; `cache` holds what comes before them and takes them in.
    """
    model = language_model.model
    cos, sin = model.rotary_emb(hidden, places.positions)
    shared = _Pass(cos.unsqueeze(1), sin.unsqueeze(1), places.mask, cache)
    for index, layer in enumerate(model.layers):
        keep = last if index == len(model.layers) - 1 else hidden.shape[1]
        mixed = _attend(layer.self_attn, layer.input_layernorm(hidden), shared, index, keep)
        hidden = hidden[:, -keep:] + mixed
        hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
    final: Tensor = model.norm(hidden)
    return final


def _attend(
    attention: Any,  # noqa: ANN401 - LlamaAttention, possibly with adapters in it
    x: Tensor,
    shared: _Pass,
    layer: int,
    keep: int,
) -> Tensor:
    """Return what the last `keep` positions take from all of `x` and the cache."""
    keys = _rotate(_split(attention.k_proj(x), attention.head_dim), shared)
    values = _split(attention.v_proj(x), attention.head_dim)
    keys, values = shared.cache.extend(layer, keys, values)
    queries = _rotate(_split(attention.q_proj(x[:, -keep:]), attention.head_dim), shared)
    mixed = functional.scaled_dot_product_attention(
        queries, keys, values, attn_mask=shared.mask[:, :, -keep:]
    )
    out: Tensor = attention.o_proj(mixed.transpose(1, 2).flatten(2))
    return out


def _split(x: Tensor, width: int) -> Tensor:
    return x.view(*x.shape[:2], -1, width).transpose(1, 2)


def _rotate(x: Tensor, shared: _Pass) -> Tensor:
    """Turn [B, heads, n, head width] by the positions of the last n tokens."""
    cos, sin = shared.cos[:, :, -x.shape[2] :], shared.sin[:, :, -x.shape[2] :]
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin
