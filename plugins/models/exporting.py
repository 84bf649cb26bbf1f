"""What the exporters of all families share: merged weights, and checkpoints of rlvla."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlvla.plugins.models.tensors import ADAPTERS

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from rlvla.core.interfaces import Policy

MERGED, PEFT = "merged", "peft"
"""Names of layouts that do not depend on the family."""


def whole(network: nn.Module) -> dict[str, Tensor]:
    """Return all tensors by their published names, with adapters added to their weights."""
    state: dict[str, Any] = network.state_dict()
    if not any(".lora_" in name for name in state):
        return state
    # peft takes a second to import, which a network without adapters need not wait for.
    from rlvla.plugins.models.adapters import merged_state

    return merged_state(network)


def write_merged(policy: Policy, directory: Path) -> None:
    """Write a checkpoint of rlvla without separate adapters: the option `checkpoint` names it."""
    policy.save(str(directory))
    (directory / ADAPTERS).unlink(missing_ok=True)
