"""First weights of a network that learns from nothing, which the published ones do not tell.

A small network that must find a named object in an image stays long at the loss of a blind
guess, because little of the image reaches its output. These priors let it through: patches begin
as their mean colour and its slopes, positions as waves over the image, layers keep the scale of
their inputs, and neighbouring action bins have similar weights, so that what moves one moves the
next.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from rlvla.plugins.models.openvla.presets import BINS

if TYPE_CHECKING:
    from rlvla.plugins.models.openvla.network import Network

WAVES = 16
"""Cosines that the weights of the action bins are mixed from."""


@torch.no_grad()
def initialise(network: Network) -> None:
    """Set all weights but the value head's, from torch's generator."""
    backbone, language, projector = (
        network.vision_backbone,
        network.language_model,
        network.projector,
    )
    for part in (backbone, language, projector):
        _spread(part)
    for layer in (projector.fc1, projector.fc2, projector.fc3):
        layer.weight.mul_(1.4)  # makes up for what the GELU between them takes away
    language.lm_head.weight.mul_(0.2)
    embedding = language.model.embed_tokens.weight
    nn.init.normal_(embedding, std=0.2)
    for rows in (language.lm_head.weight, embedding):
        rows[network.architecture.bins] = _smooth_bins(rows.shape[1]) * rows.std()
    for tower in (backbone.featurizer, backbone.fused_featurizer):
        filters = tower.patch_embed.proj
        filters.weight.copy_(_slopes(filters.out_channels, network.architecture.patch))
        nn.init.zeros_(cast("Tensor", filters.bias))
        tower.pos_embed[0] = _waves(*network.architecture.grid, tower.pos_embed.shape[-1])
    nn.init.normal_(backbone.featurizer.cls_token, std=0.02)
    nn.init.normal_(backbone.featurizer.reg_token, std=0.02)


def _spread(part: nn.Module) -> None:
    """Give linear layers outputs as large as their inputs."""
    for module in part.modules():
        if not isinstance(module, nn.Linear):
            continue
        nn.init.normal_(module.weight, std=1 / math.sqrt(module.in_features))
        for name, parameter in module.named_parameters():
            if name == "bias":
                nn.init.zeros_(parameter)


def _smooth_bins(width: int) -> Tensor:
    """Return weights [256, width] of deviation 1 that change slowly from bin to bin."""
    place = (torch.arange(BINS) + 0.5) / BINS
    order = torch.arange(WAVES)
    waves = torch.cos(math.pi * order * place[:, None]) / (1 + order)
    return waves / waves.square().sum(1).mean().sqrt() @ torch.randn(WAVES, width)


def _waves(rows: int, columns: int, width: int) -> Tensor:
    """Return positions [rows * columns, width]: half of the channels say row, half column."""
    row = _line(rows, width // 2)[:, None].expand(-1, columns, -1)
    column = _line(columns, width - width // 2)[None].expand(rows, -1, -1)
    return torch.cat([row, column], -1).flatten(0, 1)


def _line(count: int, width: int) -> Tensor:
    """Return sines and cosines [count, width], from half a wave to `count / 2` along a line."""
    place = torch.linspace(-0.5, 0.5, count)
    octaves = 2 ** torch.linspace(-1, math.log2(max(count / 2, 1)), (width + 1) // 2)
    angle = math.pi * place[:, None] * octaves
    return torch.cat([angle.sin(), angle.cos()], 1)[:, :width] / math.sqrt(2)


def _slopes(filters: int, size: int) -> Tensor:
    """Return filters [filters, 3, size, size] that mix each colour's mean and its two slopes."""
    flat, slope = torch.ones(size), 1.7 * torch.linspace(-1, 1, size)
    basis = torch.stack(
        [torch.outer(*pair) for pair in ((flat, flat), (flat, slope), (slope, flat))]
    )
    mixture = torch.randn(filters, 3, len(basis))
    return 3 / 64 * torch.einsum("fcb,bij->fcij", mixture, basis)
