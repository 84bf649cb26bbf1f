"""Which parameters an algorithm trains, and how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

CRITIC = "value_head."
"""What the names of a critic's own parameters begin with."""


def parameter_groups(
    policy: nn.Module, *, lr: float, value_lr: float | None, options: Mapping[str, object]
) -> list[dict[str, object]]:
    """Return AdamW groups of the trainable parameters, one for each learning rate.

    Those of the critic have `value_lr`; with None they stay as they are.
    """
    groups: dict[float, list[nn.Parameter]] = {}
    for name, one in policy.named_parameters():
        rate = value_lr if name.startswith(CRITIC) else lr
        if one.requires_grad and rate is not None:
            groups.setdefault(rate, []).append(one)
    return [{"params": params, "lr": rate, **options} for rate, params in groups.items()]
