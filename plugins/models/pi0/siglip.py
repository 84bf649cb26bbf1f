"""The SigLIP vision transformer (arXiv 2303.15343), with the tensor names of PaliGemma's.

Unlike OpenVLA's it ends after its last block and the final norm, and its GELU is the tanh form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlvla.plugins.models.computing import through

if TYPE_CHECKING:
    from rlvla.plugins.models.pi0.presets import Architecture, Tower


class Attention(nn.Module):
    """Full self-attention, [B, N, width] to the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Let every patch attend to every patch."""
        q, k, v = (self._split(one(x)) for one in (self.q_proj, self.k_proj, self.v_proj))
        mixed = functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class Mlp(nn.Module):
    """Two layers with a GELU (tanh form) between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers to the last axis."""
        out: Tensor = self.fc2(functional.gelu(self.fc1(x), approximate="tanh"))
        return out


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(tower.width, eps=1e-6)
        self.self_attn = Attention(tower.width, tower.heads)
        self.layer_norm2 = nn.LayerNorm(tower.width, eps=1e-6)
        self.mlp = Mlp(tower.width, tower.hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Apply attention and MLP, each added to its input."""
        x = x + self.self_attn(self.layer_norm1(x))
        out: Tensor = x + self.mlp(self.layer_norm2(x))
        return out


class Embeddings(nn.Module):
    """Patches, row by row, and their positions."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width, patch = architecture.vision.width, architecture.patch
        self.patch_embedding = nn.Conv2d(3, width, patch, stride=patch)
        self.position_embedding = nn.Embedding(architecture.patches, width)

    def forward(self, images: Tensor) -> Tensor:
        """Map [B, 3, H, W] to [B, patches, width]."""
        grid: Tensor = self.patch_embedding(images)
        return grid.flatten(2).transpose(1, 2) + self.position_embedding.weight.to(grid.dtype)


class Encoder(nn.Module):
    """All blocks."""

    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(tower) for _ in range(tower.depth))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the blocks in turn."""
        for layer in self.layers:
            x = through(layer, x)
        return x


class VisionModel(nn.Module):
    """Embeddings, blocks and the final norm."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.embeddings = Embeddings(architecture)
        self.encoder = Encoder(architecture.vision)
        self.post_layernorm = nn.LayerNorm(architecture.vision.width, eps=1e-6)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] between -1 and 1 to features [B, patches, width]."""
        features: Tensor = self.post_layernorm(self.encoder(self.embeddings(images)))
        return features


class VisionTower(nn.Module):
    """The level that published names have above the model."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.vision_model = VisionModel(architecture)

    def forward(self, images: list[Tensor]) -> Tensor:
        """Map one [B, 3, H, W] per camera to [B, cameras * patches, width]."""
        features: Tensor = self.vision_model(torch.cat(images))
        return torch.cat(features.chunk(len(images)), 1)
