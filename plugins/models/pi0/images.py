"""Camera images as the vision tower sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


def fitted(images: Tensor, side: int) -> Tensor:
    """Map uint8 [B, H, W, 3] to [B, 3, side, side] between -1 and 1.

    The longer side is scaled to `side` as Pillow does (bilinear, smoothed when it shrinks, rounded
    to whole numbers after each direction); black fills the rest, half of it on either side.
    """
    x = images.permute(0, 3, 1, 2).float()
    height, width = x.shape[-2:]
    if (height, width) != (side, side):
        ratio = max(height, width) / side
        high, wide = int(height / ratio), int(width / ratio)
        x = _scaled(_scaled(x, (height, wide)), (high, wide))
        x = functional.pad(x, _borders((high, wide), side))
    return x / 255 * 2 - 1


def _scaled(x: Tensor, size: tuple[int, int]) -> Tensor:
    y = functional.interpolate(x, size, mode="bilinear", antialias=True)
    return (y + 0.5).floor()


def _borders(size: tuple[int, int], side: int) -> list[int]:
    """Return left, right, top, bottom; an odd pixel goes to the right or the bottom."""
    down, across = (side - one for one in size)
    return [across // 2, across - across // 2, down // 2, down - down // 2]
