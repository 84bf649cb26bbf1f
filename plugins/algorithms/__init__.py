"""Algorithms that come with rlvla."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.hooks import hookimpl

if TYPE_CHECKING:
    from rlvla.core.registry import Components


@hookimpl
def register(components: Components) -> None:
    """Register the algorithms."""
    components.algorithms.add("grpo", "rlvla.plugins.algorithms.grpo:GRPO")
    components.algorithms.add("ppo", "rlvla.plugins.algorithms.ppo:PPO")
    components.algorithms.add("sft", "rlvla.plugins.algorithms.sft:SFT")
