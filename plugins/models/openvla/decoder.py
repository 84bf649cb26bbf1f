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
    return LlamaForCausalLM(config)


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


def decode(
    language_model: Any,  # noqa: ANN401 - Llama, possibly with adapters in it
    hidden: Tensor,
    *,
    positions: Tensor,
    mask: Tensor,
    last: int,
    cache: Cache | None = None,
) -> Tensor:
    """Return the final hidden states of the `last` positions, [B, last, width].

    `hidden` [B, S, width] are embeddings, `positions` [B or 1, S] their rotary positions, `mask`
    bool [B or 1, 1, S, K] which of the K keys (those in `cache` first) a position may see.
    """
    model = language_model.model
    rope: tuple[Tensor, Tensor] = model.rotary_emb(hidden, positions)
    rope = rope[0].unsqueeze(1), rope[1].unsqueeze(1)
    final = len(model.layers) - 1
    store = Cache() if cache is None else cache
    for index, layer in enumerate(model.layers):
        normed = layer.input_layernorm(hidden)
        keep = last if index == final else hidden.shape[1]
        mixed = _attend(layer.self_attn, normed, rope, mask, (keep, index, store))
        hidden = hidden[:, -keep:] + mixed
        hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
    return model.norm(hidden)


def _attend(
    attention: Any,  # noqa: ANN401 - LlamaAttention, possibly with adapters in it
    x: Tensor,
    rope: tuple[Tensor, Tensor],
    mask: Tensor,
    place: tuple[int, int, Cache],
) -> Tensor:
    keep, index, cache = place
    cos, sin = rope
    keys = _rotate(_split(attention.k_proj(x), attention.head_dim), cos, sin)
    values = _split(attention.v_proj(x), attention.head_dim)
    keys, values = cache.extend(index, keys, values)
    queries = _split(attention.q_proj(x[:, -keep:]), attention.head_dim)
    queries = _rotate(queries, cos[:, :, -keep:], sin[:, :, -keep:])
    mixed = functional.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask[:, :, -keep:]
    )
    return attention.o_proj(mixed.transpose(1, 2).flatten(2))


def _split(x: Tensor, width: int) -> Tensor:
    return x.unflatten(-1, (-1, width)).transpose(1, 2)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin
