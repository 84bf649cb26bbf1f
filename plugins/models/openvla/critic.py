"""The head that estimates the value; it is all that is not in the published layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from rlvla.plugins.models.openvla.presets import Architecture


def head(architecture: Architecture, outputs: int = 1) -> nn.Sequential:
    """Return an MLP on the hidden state that predicts the first action token.

    4096-512-128-`outputs` at the published size, initialised as in RL4VLA (arXiv 2505.19789).
    """
    width = architecture.decoder.width
    first, second = min(512, width), min(128, width // 2)
    layers = nn.Linear(width, first), nn.Linear(first, second)
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, mode="fan_out")
        nn.init.zeros_(layer.bias)
    out = nn.Linear(second, outputs, bias=False)
    nn.init.normal_(out.weight, std=0.02)
    return nn.Sequential(layers[0], nn.GELU(), layers[1], nn.GELU(), out)
