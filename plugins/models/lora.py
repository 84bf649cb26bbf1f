"""The options of low-rank adapters (arXiv 2106.09685); imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROJECTIONS = r"(action_in_proj|action_out_proj|state_proj|(action_)?time_mlp_(in|out))"

PUBLISHED: Mapping[str, str | list[str]] = MappingProxyType(
    {
        "rlinf": [
            *("proj", "qkv", "fc1", "fc2", "fc3", "q", "kv", "out_proj", "q_proj", "k_proj"),
            *("v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head"),
        ],
        "openpi": r".*(language_model|gemma_expert\.model)\.layers\.\d+\."
        r"(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)",
        "lerobot": rf".*gemma_expert\.model\..*self_attn\.[qv]_proj|{_PROJECTIONS}",
    }
)
"""Which modules have adapters in whose published recipes; a text is a regular expression."""


@dataclass(frozen=True)
class LoRA:
    """Low-rank adapters; the weights below them are frozen, the value head is not."""

    r: int = 32
    """Rank of the adapters."""
    alpha: int = 16
    """Adapters are scaled by `alpha / r`."""
    target_modules: str | list[str] = "all-linear"
    """Names of the modules that get an adapter, a regular expression for them, or a recipe's.
    `all-linear`, which OpenVLA and OpenVLA-OFT publish: all but the output layer. `rlinf`: these,
    convolutions and the output layer (alpha is r there). For pi: `openpi`, attention and MLPs of
    both decoders, while vision and the flow's own layers are trained in full (alpha is r, 16 to
    32); `lerobot`, queries and values of the expert and the flow's own layers."""

    def __post_init__(self) -> None:
        if self.r < 1:
            raise ValueError(f"r must be at least 1, got {self.r}")
        if self.alpha < 1:
            raise ValueError(f"alpha must be at least 1, got {self.alpha}")

    @property
    def targets(self) -> str | list[str]:
        """What peft takes for `target_modules`."""
        named = self.target_modules
        return PUBLISHED.get(named, named) if isinstance(named, str) else named
