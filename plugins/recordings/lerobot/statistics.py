"""Statistics of a dataset, by which those who train on it normalise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rlvla.core.types import Array, Arrays


@dataclass
class Sums:
    """Of one feature: of each number, or of each channel of images as shares of 255."""

    low: Array
    high: Array
    total: Array
    squares: Array
    counted: int
    """Numbers that were added up."""
    frames: int

    @classmethod
    def of(cls, values: Array) -> Sums:
        """Return those of numbers [T, N], or of images uint8 [T, height, width, 3]."""
        images = values.dtype == np.uint8
        flat = values.reshape(-1, values.shape[-1]).astype(np.float64) / (255 if images else 1)
        return cls(
            *(flat.min(0), flat.max(0), flat.sum(0), np.square(flat).sum(0)),
            counted=len(flat),
            frames=len(values),
        )

    def joined(self, other: Sums) -> Sums:
        """Return those of both."""
        return Sums(
            *(np.minimum(self.low, other.low), np.maximum(self.high, other.high)),
            *(self.total + other.total, self.squares + other.squares),
            *(self.counted + other.counted, self.frames + other.frames),
        )

    def summary(self, *, images: bool) -> dict[str, Any]:
        """Return what LeRobot keeps, for images [3, 1, 1]."""
        mean = self.total / self.counted
        spread = np.sqrt(np.maximum(self.squares / self.counted - mean**2, 0))
        told = {"min": self.low, "max": self.high, "mean": mean, "std": spread}
        shaped = {name: one[:, None, None] if images else one for name, one in told.items()}
        return {name: one.tolist() for name, one in shaped.items()} | {"count": [self.frames]}


@dataclass
class Statistics:
    """Of all features, as episodes are added."""

    _sums: dict[str, Sums] = field(default_factory=dict[str, Sums])
    _images: set[str] = field(default_factory=set[str])

    def add(self, episode: Arrays) -> None:
        """Add an episode's features, each [T, ...]."""
        for name, values in episode.items():
            own = Sums.of(values) if values.size else None
            if own is not None:
                self._sums[name] = self._sums[name].joined(own) if name in self._sums else own
            if values.dtype == np.uint8:
                self._images.add(name)

    def summary(self) -> dict[str, Any]:
        """Return what is written into `meta/stats.json`."""
        return {name: one.summary(images=name in self._images) for name, one in self._sums.items()}
