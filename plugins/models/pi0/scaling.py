"""Normalised states and actions: what a checkpoint's statistics say a number stands for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from rlvla.core.types import Array, SimulatorSpec

EPSILON = 1e-6
"""What openpi adds to a deviation or range."""
STATISTICS = "norm_stats.json"


@dataclass(frozen=True)
class Scale:
    """Numbers x stand for y = (x - shift) / size; float64 [n] each."""

    shift: NDArray[np.float64]
    size: NDArray[np.float64]

    @staticmethod
    def of_moments(mean: Array, std: Array, epsilon: float) -> Scale:
        """Return the scale on which the data has mean 0 and deviation 1."""
        return Scale(np.asarray(mean, np.float64), np.asarray(std, np.float64) + epsilon)

    @staticmethod
    def of_range(low: Array, span: Array) -> Scale:
        """Return the scale on which the range from `low`, as long as `span`, is [-1, 1]."""
        size = np.asarray(span, np.float64) / 2
        return Scale(np.asarray(low, np.float64) + size, size)

    def normalise(self, x: Array) -> NDArray[np.float64]:
        """Return y of x [..., n]."""
        return (x - self.shift) / self.size

    def restore(self, y: Array) -> NDArray[np.float64]:
        """Return x of y [..., n]."""
        return y * self.size + self.shift

    def cut(self, length: int, what: str) -> Scale:
        """Return the scale of `length` numbers; what goes beyond must be padding."""
        spare = self.size[length:]
        if len(self.size) < length or (spare > 2 * EPSILON).any():
            raise ValueError(
                f"checkpoint's statistics are of {len(self.size)} numbers in {what}, "
                f"the simulator's {what} has {length}"
            )
        return Scale(self.shift[:length], self.size[:length])


@dataclass(frozen=True)
class Scales:
    """The scales of a policy."""

    state: Scale
    actions: Scale

    @staticmethod
    def of_simulator(spec: SimulatorSpec) -> Scales:
        """Return states as they are, and actions whose bounds are [-1, 1]."""
        low, high = np.asarray(spec.action_low), np.asarray(spec.action_high)
        if not np.isfinite(high - low).all():
            raise ValueError(
                "preset needs a simulator with finite bounds of its actions, or a checkpoint "
                "with statistics"
            )
        still = Scale(np.zeros(spec.proprio), np.ones(spec.proprio))
        return Scales(still, Scale.of_range(low, high - low))

    @staticmethod
    def of_openpi(entry: Mapping[str, Mapping[str, Any]], *, quantiles: bool) -> Scales:
        """Return what the `norm_stats` of an openpi file say."""
        state, actions = (
            _openpi(entry[name], quantiles=quantiles) for name in ("state", "actions")
        )
        return Scales(state, actions)

    def plain(self) -> dict[str, dict[str, dict[str, list[float]]]]:
        """Return what `of_openpi` reads, whether by moments or by quantiles."""
        pairs = {"state": self.state, "actions": self.actions}
        return {"norm_stats": {name: _plain(scale) for name, scale in pairs.items()}}

    def fitted(self, spec: SimulatorSpec) -> Scales:
        """Return the scales of this simulator; raise ValueError if they are of another."""
        return Scales(
            self.state.cut(spec.proprio, "proprio"), self.actions.cut(spec.action_dim, "actions")
        )


def openpi_scales(path: Path, name: str | None, *, quantiles: bool) -> Scales | None:
    """Return the scales in `assets/NAME/norm_stats.json`; None if there are no such files.

    A file beside the weights has the name of the checkpoint.
    """
    assets = path / "assets"
    files = {
        str(file.parent.relative_to(assets)): file for file in sorted(assets.rglob(STATISTICS))
    }
    if (path / STATISTICS).is_file():
        files[path.name] = path / STATISTICS
    if not files:
        return None
    if name is None and len(files) > 1:
        raise ValueError(f"statistics must name one of {', '.join(files)}")
    if name is not None and name not in files:
        raise ValueError(
            f"statistics {name!r} are not in the checkpoint, it has: {', '.join(files)}"
        )
    content = json.loads(files[name or next(iter(files))].read_text())
    return Scales.of_openpi(content["norm_stats"], quantiles=quantiles)


def _openpi(entry: Mapping[str, Any], *, quantiles: bool) -> Scale:
    if not quantiles:
        return Scale.of_moments(entry["mean"], entry["std"], EPSILON)
    low, high = np.asarray(entry["q01"]), np.asarray(entry["q99"])
    return Scale.of_range(low, high - low + EPSILON)


def _plain(scale: Scale) -> dict[str, list[float]]:
    return {
        "mean": scale.shift.tolist(),
        "std": (scale.size - EPSILON).tolist(),
        "q01": (scale.shift - scale.size).tolist(),
        "q99": (scale.shift + scale.size - EPSILON).tolist(),
    }
