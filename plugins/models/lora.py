"""The options of low-rank adapters (arXiv 2106.09685); imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LoRA:
    """Low-rank adapters; the weights below them are frozen, the value head is not."""

    r: int = 32
    """Rank of the adapters."""
    alpha: int = 16
    """Adapters are scaled by `alpha / r`."""
    target_modules: str | list[str] = "all-linear"
    """Names of the modules that get an adapter, or `all-linear`: all but the output layer."""

    def __post_init__(self) -> None:
        if self.r < 1:
            raise ValueError(f"r must be at least 1, got {self.r}")
        if self.alpha < 1:
            raise ValueError(f"alpha must be at least 1, got {self.alpha}")
