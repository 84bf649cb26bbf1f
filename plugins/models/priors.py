"""First weights that let an image through to the output of a network that learns from nothing.

A small network that must find a named object in an image stays long at the loss of a blind
guess, because little of the image reaches its output. Here patches begin as their mean colour and
its slopes, positions as waves over the image, and layers keep the scale of their inputs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

COSINES = 16
"""What smooth weights are mixed from."""


def spread(part: nn.Module) -> None:
    """Give linear layers outputs as large as their inputs."""
    for module in part.modules():
        if not isinstance(module, nn.Linear):
            continue
        nn.init.normal_(module.weight, std=1 / math.sqrt(module.in_features))
        for name, parameter in module.named_parameters():
            if name == "bias":
                nn.init.zeros_(parameter)


def waves(rows: int, columns: int, width: int) -> Tensor:
    """Return positions [rows * columns, width]: half of the channels say row, half column."""
    row = _line(rows, width // 2)[:, None].expand(-1, columns, -1)
    column = _line(columns, width - width // 2)[None].expand(rows, -1, -1)
    return torch.cat([row, column], -1).flatten(0, 1)


def slopes(filters: int, size: int) -> Tensor:
    """Return filters [filters, 3, size, size] that mix each colour's mean and its two slopes."""
    flat, slope = torch.ones(size), 1.7 * torch.linspace(-1, 1, size)
    basis = torch.stack(
        [torch.outer(*pair) for pair in ((flat, flat), (flat, slope), (slope, flat))]
    )
    mixture = torch.randn(filters, 3, len(basis))
    return 3 / 64 * torch.einsum("fcb,bij->fcij", mixture, basis)


def smooth(count: int, width: int) -> Tensor:
    """Return weights [count, width] of deviation 1 that change slowly from row to row."""
    place = (torch.arange(count) + 0.5) / count
    order = torch.arange(COSINES)
    cosines = torch.cos(math.pi * order * place[:, None]) / (1 + order)
    return cosines / cosines.square().sum(1).mean().sqrt() @ torch.randn(COSINES, width)


def _line(count: int, width: int) -> Tensor:
    """Return sines and cosines [count, width], from half a wave to `count / 2` along a line."""
    place = torch.linspace(-0.5, 0.5, count)
    octaves = 2 ** torch.linspace(-1, math.log2(max(count / 2, 1)), (width + 1) // 2)
    angle = math.pi * place[:, None] * octaves
    return torch.cat([angle.sin(), angle.cos()], 1)[:, :width] / math.sqrt(2)
