"""A critic of its own on the simulator's state, which only training sees."""

from __future__ import annotations

from torch import nn

WIDTH = 64


def privileged(length: int, *, option: str, outputs: int = 1) -> nn.Sequential:
    """Return an MLP on the simulator's state, float32 [length]; `option` asked for it."""
    if length == 0:
        raise ValueError(
            f"{option} 'privileged' needs a simulator with privileged state; this one has none"
        )
    first, second = nn.Linear(length, WIDTH), nn.Linear(WIDTH, WIDTH)
    return nn.Sequential(first, nn.Tanh(), second, nn.Tanh(), nn.Linear(WIDTH, outputs))
