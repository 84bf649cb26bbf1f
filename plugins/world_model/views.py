"""Observations as the network takes and gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from rlvla.core.types import SimulatorSpec


def joined(images: Mapping[str, NDArray[np.uint8]], cameras: Sequence[str]) -> Tensor:
    """Return the images of all cameras on top of each other, uint8 [K, H, W]."""
    stack = np.concatenate([images[camera] for camera in cameras], axis=-1)
    return torch.from_numpy(stack.transpose(2, 0, 1).copy())


def parted(images: Tensor, spec: SimulatorSpec) -> dict[str, NDArray[np.uint8]]:
    """Return what `joined` joined, from uint8 [K, H, W]."""
    views = images.cpu().view(len(spec.cameras), 3, *images.shape[1:]).permute(0, 2, 3, 1)
    return dict(zip(spec.cameras, views.contiguous().numpy(), strict=True))


def words_of(instruction: str, words: Sequence[str]) -> Tensor:
    """Return which of `words` an instruction has, float32 [V]."""
    spoken = {*instruction.lower().split()}
    return torch.tensor([float(word in spoken) for word in words])
