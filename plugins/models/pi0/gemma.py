"""The Gemma decoder (arXiv 2403.08295) that both streams are, with its published tensor names.

The streams attend together, but what comes first never sees what comes after: the prefix is
decoded alone and its keys and values are kept, then the suffix attends to them and to itself.
That is the same computation as one joint pass, each layer is one module's `forward`, and a chunk's
denoising steps share one prefix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlvla.plugins.models.computing import through

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.plugins.models.pi0.presets import Architecture, Stream

EPSILON = 1e-6
ROTARY_BASE = 10_000.0

KeysValues: TypeAlias = tuple[Tensor, Tensor]
"""Of one layer, [B, 1, length, head width] each."""


@dataclass(frozen=True)
class Places:
    """Where the S tokens of a pass stand and what they may see."""

    positions: Tensor
    """Rotary positions, int64 [B, S]."""
    mask: Tensor
    """Bool [B, 1, S or 1, K]: which of the K keys, those of the prefix first."""


@dataclass(frozen=True)
class Pass:
    """What all layers of a pass share."""

    cos: Tensor
    """Of the rotary angles, [B, 1, S, head width]."""
    sin: Tensor
    mask: Tensor
    """That of `Places`."""

    @staticmethod
    def of(places: Places, width: int) -> Pass:
        """Return the angles that heads of this width are turned by (arXiv 2104.09864)."""
        order = torch.arange(0, width, 2, device=places.positions.device).float()
        angles = places.positions[:, None, :, None] * ROTARY_BASE ** (-order / width)
        both = torch.cat([angles, angles], -1)
        return Pass(both.cos(), both.sin(), places.mask)

    def rotate(self, x: Tensor) -> Tensor:
        """Rotate [B, heads, S, head width]."""
        first, second = x.chunk(2, -1)
        return (x * self.cos + torch.cat([-second, first], -1) * self.sin).to(x.dtype)


class Norm(nn.Module):
    """Root-mean-square normalisation, times 1 + weight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return the normalised `x`, and no gate."""
        del condition
        return _normalised(x) * (1 + self.weight), None


class AdaptiveNorm(nn.Module):
    """Normalisation whose scale, shift and gate follow from a condition (adaRMS)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, 3 * width)
        nn.init.zeros_(self.dense.weight)

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the normalised `x` [B, S, width] and the gate [B, 1, width] of what follows."""
        scale, shift, gate = self.dense(condition)[:, None].chunk(3, -1)
        return _normalised(x) * (1 + scale) + shift, gate


class Attention(nn.Module):
    """Attention of many query heads to one head of keys and values."""

    def __init__(self, architecture: Architecture, width: int) -> None:
        super().__init__()
        self.head_width = architecture.head_width
        inner = architecture.heads * self.head_width
        self.q_proj = nn.Linear(width, inner, bias=False)
        self.k_proj = nn.Linear(width, self.head_width, bias=False)
        self.v_proj = nn.Linear(width, self.head_width, bias=False)
        self.o_proj = nn.Linear(inner, width, bias=False)

    def keys_values(self, x: Tensor, shared: Pass) -> KeysValues:
        """Return keys and values of the tokens [B, S, width]."""
        return shared.rotate(self._split(self.k_proj(x))), self._split(self.v_proj(x))

    def forward(self, x: Tensor, shared: Pass, seen: KeysValues) -> Tensor:
        """Return what the tokens [B, S, width] take from those seen."""
        queries = shared.rotate(self._split(self.q_proj(x)))
        heads = queries.shape[1]
        keys, values = (one.expand(-1, heads, -1, -1) for one in seen)
        mixed = functional.scaled_dot_product_attention(queries, keys, values, shared.mask)
        out: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], -1, self.head_width).transpose(1, 2)


class GatedMlp(nn.Module):
    """Two layers, the first gated by a GELU (tanh form) of a third."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(stream.width, stream.hidden, bias=False)
        self.up_proj = nn.Linear(stream.width, stream.hidden, bias=False)
        self.down_proj = nn.Linear(stream.hidden, stream.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers to the last axis."""
        gate = functional.gelu(self.gate_proj(x), approximate="tanh")
        out: Tensor = self.down_proj(gate * self.up_proj(x))
        return out


class Layer(nn.Module):
    """One decoder layer of one stream."""

    def __init__(self, architecture: Architecture, stream: Stream, *, adaptive: bool) -> None:
        super().__init__()
        norm = AdaptiveNorm if adaptive else Norm
        self.self_attn = Attention(architecture, stream.width)
        self.mlp = GatedMlp(stream)
        self.input_layernorm = norm(stream.width)
        self.post_attention_layernorm = norm(stream.width)

    def forward(
        self,
        x: Tensor,
        shared: Pass,
        before: KeysValues | None,
        condition: Tensor | None,
        *,
        keys_only: bool = False,
    ) -> tuple[Tensor, KeysValues]:
        """Return the layer's output, and the tokens' own keys and values.

        `before` are those of the prefix. With `keys_only` the output is the input.
        """
        y, gate = self.input_layernorm(x, condition)
        own = self.self_attn.keys_values(y, shared)
        if keys_only:
            return x, own
        x = _added(x, self.self_attn(y, shared, _joined(before, own)), gate)
        y, gate = self.post_attention_layernorm(x, condition)
        return _added(x, self.mlp(y), gate), own


class Gemma(nn.Module):
    """The layers and the final norm of one stream."""

    def __init__(self, architecture: Architecture, stream: Stream, *, adaptive: bool) -> None:
        super().__init__()
        self.head_width = architecture.head_width
        self.layers = nn.ModuleList(
            Layer(architecture, stream, adaptive=adaptive) for _ in range(architecture.depth)
        )
        self.norm = (AdaptiveNorm if adaptive else Norm)(stream.width)

    def keys_values(self, x: Tensor, places: Places) -> list[KeysValues]:
        """Return what a suffix needs of the tokens [B, S, width], layer by layer."""
        return self._through(x, places, output=False)[1]

    def decode(self, x: Tensor, places: Places) -> tuple[Tensor, list[KeysValues]]:
        """Return the final hidden states [B, S, width] as well as `keys_values`."""
        x, kept = self._through(x, places, output=True)
        return self.norm(x)[0], kept

    def follow(
        self,
        x: Tensor,
        places: Places,
        prefix: Sequence[KeysValues],
        condition: Tensor | None,
    ) -> Tensor:
        """Return the final hidden states [B, S, width] of tokens that follow a prefix."""
        shared = Pass.of(places, self.head_width)
        for layer, before in zip(self.layers, prefix, strict=True):
            x, _ = through(layer, x, shared, before, condition)
        final: Tensor = self.norm(x, condition)[0]
        return final

    def _through(
        self, x: Tensor, places: Places, *, output: bool
    ) -> tuple[Tensor, list[KeysValues]]:
        shared, kept = Pass.of(places, self.head_width), list[KeysValues]()
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            keys_only = index == last and not output
            x, own = through(layer, x, shared, None, None, keys_only=keys_only)
            kept.append(own)
        return x, kept


def _normalised(x: Tensor) -> Tensor:
    x = x.float()
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON)


def _added(x: Tensor, y: Tensor, gate: Tensor | None) -> Tensor:
    return x + y if gate is None else x + y * gate


def _joined(before: KeysValues | None, own: KeysValues) -> KeysValues:
    if before is None:
        return own
    keys, values = (torch.cat(pair, 2) for pair in zip(before, own, strict=True))
    return keys, values
