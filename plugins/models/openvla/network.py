"""The whole network: towers, projector and decoder, with the published tensor names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlvla.plugins.models.computing import precise, reduced
from rlvla.plugins.models.openvla.decoder import Places, decode, llama
from rlvla.plugins.models.openvla.vision import VisionBackbone
from rlvla.plugins.models.words import BOS

if TYPE_CHECKING:
    from rlvla.plugins.models.openvla.decoder import Cache
    from rlvla.plugins.models.openvla.presets import Architecture


class Projector(nn.Module):
    """Three layers from fused patch features to the decoder's width."""

    def __init__(self, vision: int, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(vision, 4 * vision)
        self.fc2 = nn.Linear(4 * vision, width)
        self.fc3 = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, patches, vision] to [B, patches, width]."""
        y: Tensor = self.fc3(functional.gelu(self.fc2(functional.gelu(self.fc1(x)))))
        return y


@dataclass(frozen=True)
class Sequence:
    """Embeddings on their way into the decoder: BOS, patches, prompt and maybe action tokens."""

    embeddings: Tensor
    """[B, S, width]."""
    positions: Tensor
    """Rotary positions, int64 [B or 1, S]."""
    valid: Tensor
    """Bool [B or 1, S]: false for the padding before short prompts."""

    @property
    def mask(self) -> Tensor:
        """Which keys each position may see, bool [B or 1, 1, S, S]."""
        length = self.valid.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=self.valid.device).tril()
        return causal & self.valid[:, None, None]

    def followed_by(self, embeddings: Tensor) -> Sequence:
        """Return the sequence with tokens [B, n, width] after it."""
        more = embeddings.shape[1]
        steps = torch.arange(1, more + 1, device=self.positions.device)
        return Sequence(
            torch.cat([self.embeddings, embeddings], 1),
            torch.cat([self.positions, self.positions[:, -1:] + steps], 1),
            functional.pad(self.valid, (0, more), value=True),
        )


class Network(nn.Module):
    """OpenVLA with a value head, which is not part of the published layout."""

    def __init__(self, architecture: Architecture, value_head: nn.Module) -> None:
        super().__init__()
        self.architecture = architecture
        decoder = architecture.decoder
        vision = architecture.dino.width + architecture.siglip.width
        self.vision_backbone = VisionBackbone(architecture)
        self.projector = Projector(vision, decoder.width)
        self.language_model = llama(decoder)
        self.value_head = value_head

    def patches(self, views: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Map each camera's inputs of both towers to [B, cameras * patches, width]."""
        dtype = self.projector.fc1.weight.dtype
        features = [
            self.vision_backbone.forward(dino.to(dtype), siglip.to(dtype)) for dino, siglip in views
        ]
        projected: Tensor = self.projector(torch.cat(features, 1))
        return projected

    def embed(self, tokens: Tensor) -> Tensor:
        """Map token ids [...] to embeddings [..., width]."""
        return reduced(self.language_model.model.embed_tokens(tokens))

    def prefix(self, patches: Tensor, ids: Tensor, lengths: Tensor) -> Sequence:
        """Return BOS, patches and prompts; `ids` [B, T] are padded before, `lengths` long.

        `lengths` is [B], or [1] if all are as long.
        """
        bos = self.embed(ids.new_full((1, 1), BOS)).expand(len(ids), 1, -1)
        embeddings = torch.cat([bos, patches, self.embed(ids)], 1)
        room, before = ids.shape[1], 1 + patches.shape[1]
        columns = torch.arange(before + room, device=ids.device)
        missing = (room - lengths)[:, None]
        positions = torch.where(columns < before, columns, (columns - missing).clamp(min=0))
        return Sequence(embeddings, positions, (columns < before) | (columns >= before + missing))

    def hidden(self, sequence: Sequence, *, last: int, cache: Cache | None = None) -> Tensor:
        """Return the final hidden states of the `last` positions, [B, last, width]."""
        places = Places(sequence.positions, sequence.mask)
        return decode(self.language_model, sequence.embeddings, places, last=last, cache=cache)

    def next_hidden(self, token: Tensor, sequence: Sequence, cache: Cache) -> Tensor:
        """Return the hidden state [B, 1, width] of the token that `sequence` ends in.

        `token` is its embedding [B, 1, width]; `cache` holds what comes before it.
        """
        seen = functional.pad(sequence.valid, (0, cache.room - sequence.valid.shape[1]))
        places = Places(sequence.positions[:, -1:], seen[:, None, None])
        return decode(self.language_model, token, places, last=1, cache=cache)

    def bin_logits(self, hidden: Tensor) -> Tensor:
        """Map hidden states [..., width] to logits of the action bins [..., 256]."""
        with precise(hidden.device):
            logits: Tensor = self.language_model.lm_head(hidden.float())
        return logits[..., self.architecture.bins].float()
