"""What is not in the published layout: the value head and the head of learned noise."""

from __future__ import annotations

from torch import nn

OWN = ("value_head", "noise_head", "imitated")
"""Their tensors' names, and the count of imitated rows."""
NARROWEST = 16


def value_head(width: int) -> nn.Sequential:
    """Return an MLP that halves its width three times: 1024-512-256-128-1 on pi0's expert."""
    widths = [max(width >> times, NARROWEST) for times in (1, 2, 3)]
    layers = list[nn.Module]()
    for before, after in zip([width, *widths], widths, strict=False):
        layer = nn.Linear(before, after)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    out = nn.Linear(widths[-1], 1)
    nn.init.normal_(out.weight, std=0.02)
    nn.init.zeros_(out.bias)
    return nn.Sequential(*layers, out)


def noise_head(width: int, action_dim: int) -> nn.Sequential:
    """Return an MLP from an action token's features to its numbers of learned noise.

    They begin at 0: the geometric mean of the bounds.
    """
    out = nn.Linear(64, action_dim)
    nn.init.zeros_(out.weight)
    nn.init.zeros_(out.bias)
    return nn.Sequential(nn.Linear(width, 128), nn.Tanh(), nn.Linear(128, 64), nn.Tanh(), out)
