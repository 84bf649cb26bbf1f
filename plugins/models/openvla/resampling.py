"""Images at another size, as the libraries that made the training data do it."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

RADIUS = 3


def bicubic(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Scale grey levels [B, 3, H, W] as Pillow does: smoothed when shrunk, rounded twice."""
    for shape in ((x.shape[-2], size[1]), size):
        if tuple(x.shape[-2:]) != shape:
            x = functional.interpolate(x, shape, mode="bicubic", antialias=True)
            x = (x + 0.5).floor().clamp(0, 255)
    return x


def covering(x: Tensor, side: int) -> Tensor:
    """Scale the shorter side of [B, 3, H, W] to `side` by `bicubic` and show the middle square."""
    height, width = x.shape[-2:]
    shorter = min(height, width)
    size = int(side * height / shorter), int(side * width / shorter)
    top, left = (round((one - side) / 2) for one in size)
    return bicubic(x, size)[..., top : top + side, left : left + side]


def framed(x: Tensor, fill: tuple[int, ...]) -> Tensor:
    """Put borders of one colour around [B, 3, H, W] until it is square, but for an odd pixel."""
    height, width = x.shape[-2:]
    longer = max(height, width)
    down, across = (longer - height) // 2, (longer - width) // 2
    frame = x.new_tensor(fill).view(1, 3, 1, 1)
    frame = frame.repeat(len(x), 1, height + 2 * down, width + 2 * across)
    frame[..., down : down + height, across : across + width] = x
    return frame


def lanczos(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Scale grey levels [B, 3, H, W] as TensorFlow's `lanczos3` does, smoothed when shrunk."""
    rows, columns = (
        _weights(before, after).to(x.device)
        for before, after in zip(x.shape[-2:], size, strict=True)
    )
    return (rows @ x @ columns.T).round().clamp(0, 255)


def centre(x: Tensor, area: float) -> Tensor:
    """Show the centre of grey levels [B, 3, H, W], a share `area` of them, at the same size.

    As TensorFlow's `crop_and_resize`: bilinear between corners that lie on pixels.
    """
    side = math.sqrt(area)
    frame = x.new_tensor([[side, 0.0, 0.0], [0.0, side, 0.0]]).expand(len(x), -1, -1)
    grid = functional.affine_grid(frame, list(x.shape), align_corners=True)
    shown = functional.grid_sample(x, grid, align_corners=True, padding_mode="border")
    # Its conversion to whole numbers cuts off what it has first scaled by 255.5.
    return (shown * (255.5 / 255)).floor().clamp(0, 255)


@lru_cache(maxsize=16)
def _weights(before: int, after: int) -> Tensor:
    """Return what each of `after` pixels takes of each of `before`, [after, before]."""
    scale = before / after
    centres = (torch.arange(after, dtype=torch.float64) + 0.5) * scale
    places = torch.arange(before, dtype=torch.float64) + 0.5
    x = (places - centres[:, None]) / max(scale, 1.0)
    kernel = torch.where(x.abs() < RADIUS, torch.sinc(x) * torch.sinc(x / RADIUS), 0.0)
    return (kernel / kernel.sum(1, keepdim=True)).float()
