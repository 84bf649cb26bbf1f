"""The two vision transformers, with the tensor names of timm 0.9 as OpenVLA published them.

Both give the output of their second-to-last block without the final norm, patches only
(Karamcheti et al. 2024, arXiv 2402.07865); the last block, the norms and SigLIP's pooling are
in the layout, never run and frozen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlvla.plugins.models.computing import reduced, through

if TYPE_CHECKING:
    from rlvla.plugins.models.openvla.presets import Architecture, Tower


class Attention(nn.Module):
    """Full self-attention, [B, N, width] to the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Let every token attend to every token."""
        batch, length, width = x.shape
        qkv: Tensor = self.qkv(x).view(batch, length, 3, self.heads, -1).transpose(1, 3)
        q, k, v = qkv.unbind(2)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, length, width))
        return out


class Mlp(nn.Module):
    """Two layers with an exact GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers to the last axis."""
        out: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return out


class LayerScale(nn.Module):
    """A learnt factor per channel; timm calls it `gamma`, the published files `scale_factor`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale_factor = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Scale the last axis."""
        return x * self.scale_factor.to(x.dtype)


class Block(nn.Module):
    """A pre-norm transformer block; DINOv2 scales its branches, SigLIP does not."""

    def __init__(self, tower: Tower, *, scaled: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(tower.width, eps=1e-6)
        self.attn = Attention(tower.width, tower.heads)
        self.ls1 = LayerScale(tower.width) if scaled else nn.Identity()
        self.norm2 = nn.LayerNorm(tower.width, eps=1e-6)
        self.mlp = Mlp(tower.width, tower.hidden)
        self.ls2 = LayerScale(tower.width) if scaled else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Apply attention and MLP, each added to its input."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        out: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
        return out


class PatchEmbed(nn.Module):
    """A linear map of each patch, stored as the convolution it is equal to."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, stride=patch)

    def forward(self, images: Tensor) -> Tensor:
        """Map [B, 3, H, W] to [B, patches, width], row by row."""
        grid: Tensor = self.proj(images)
        return grid.flatten(2).transpose(1, 2)


class AttentionPool(nn.Module):
    """SigLIP's pooling: part of the layout only."""

    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.latent = nn.Parameter(torch.zeros(1, 1, tower.width))
        self.q = nn.Linear(tower.width, tower.width)
        self.kv = nn.Linear(tower.width, 2 * tower.width)
        self.proj = nn.Linear(tower.width, tower.width)
        self.norm = nn.LayerNorm(tower.width, eps=1e-6)
        self.mlp = Mlp(tower.width, tower.hidden)


class Featurizer(nn.Module):
    """What both towers share: patches, positions and all blocks but the last."""

    def __init__(self, architecture: Architecture, tower: Tower, *, scaled: bool) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, architecture.patches, tower.width))
        self.patch_embed = PatchEmbed(tower.width, architecture.patch)
        self.blocks = nn.ModuleList(Block(tower, scaled=scaled) for _ in range(tower.depth))
        self.norm = nn.LayerNorm(tower.width, eps=1e-6)
        for unused in (self.blocks[-1], self.norm):
            unused.requires_grad_(requires_grad=False)

    def embed(self, images: Tensor) -> Tensor:
        """Return patches with their positions, [B, patches, width]."""
        patches: Tensor = self.patch_embed(images)
        return patches + self.pos_embed

    def transform(self, x: Tensor) -> Tensor:
        """Return the output of the second-to-last block."""
        x = reduced(x)
        for block in self.blocks[:-1]:
            x = through(block, x)
        return x


class DinoFeaturizer(Featurizer):
    """DINOv2 with registers: a class token and registers go before the patches."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture, architecture.dino, scaled=True)
        width = architecture.dino.width
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.reg_token = nn.Parameter(torch.zeros(1, architecture.registers, width))

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images [B, 3, H, W] to features [B, patches, width]."""
        batch = len(images)
        prefix = torch.cat([self.cls_token, self.reg_token], 1)
        x = torch.cat([prefix.expand(batch, -1, -1), self.embed(images)], 1)
        return self.transform(x)[:, prefix.shape[1] :]


class SiglipFeaturizer(Featurizer):
    """SigLIP: patches only."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture, architecture.siglip, scaled=False)
        self.attn_pool = AttentionPool(architecture.siglip)
        self.attn_pool.requires_grad_(requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images [B, 3, H, W] to features [B, patches, width]."""
        return self.transform(self.embed(images))


class VisionBackbone(nn.Module):
    """Both towers on the same image, fused on the channel axis."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.featurizer = DinoFeaturizer(architecture)
        self.fused_featurizer = SiglipFeaturizer(architecture)

    def forward(self, dino: Tensor, siglip: Tensor) -> Tensor:
        """Map the image normalised for each tower, [B, 3, H, W], to [B, patches, widths]."""
        return torch.cat([self.featurizer(dino), self.fused_featurizer(siglip)], -1)
