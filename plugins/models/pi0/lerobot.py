"""The statistics in a lerobot checkpoint: a pipeline of steps, one of which names their file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy as array_files

from rlvla.plugins.models.pi0.scaling import Scale, Scales

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rlvla.core.types import Array

PIPELINE = "policy_preprocessor.json"
NORMALIZER = "normalizer_processor"
AFTERWARDS = "policy_postprocessor.json"
ADDITION = "absolute_actions_processor"
"""The step that adds the state to actions."""
RANGES = {"QUANTILES": ("q01", "q99"), "QUANTILE10": ("q10", "q90"), "MIN_MAX": ("min", "max")}
_FILES: Any = array_files  # safetensors leaves PathLike without its argument


def lerobot_scales(path: Path) -> Scales | None:
    """Return the scales of a lerobot checkpoint; None if it has no pipeline."""
    file = path / PIPELINE
    if not file.is_file():
        return None
    for step in json.loads(file.read_text())["steps"]:
        if step.get("registry_name") == NORMALIZER and "state_file" in step:
            return _scales(step["config"], _FILES.load_file(path / step["state_file"]))
    raise ValueError(
        f"checkpoint's {PIPELINE} has no step {NORMALIZER!r} with a state_file, as that of a "
        "base model for many robots has none; add the norm_stats.json of yours, as openpi makes it"
    )


def decides_differences(path: Path) -> bool:
    """Whether what a lerobot checkpoint decides is added to the state."""
    file = path / AFTERWARDS
    if not file.is_file():
        return False
    steps: list[dict[str, Any]] = json.loads(file.read_text())["steps"]
    return any(
        step.get("registry_name") == ADDITION and step.get("config", {}).get("enabled")
        for step in steps
    )


def _scales(config: Mapping[str, Any], statistics: Mapping[str, Array]) -> Scales:
    epsilon = config.get("eps", 1e-8)
    features = {"STATE": "observation.state", "ACTION": "action"}
    state, actions = (
        _scale(config["norm_map"].get(kind, "IDENTITY"), feature, statistics, epsilon)
        for kind, feature in features.items()
    )
    return Scales(state, actions)


def _scale(mode: str, feature: str, statistics: Mapping[str, Array], epsilon: float) -> Scale:
    if mode == "MEAN_STD":
        mean, std = (_of(feature, name, statistics) for name in ("mean", "std"))
        return Scale.of_moments(mean, std, epsilon)
    if mode == "IDENTITY":
        length = len(_of(feature, "mean", statistics))
        return Scale(np.zeros(length), np.ones(length))
    if mode not in RANGES:
        known = ", ".join(["MEAN_STD", "IDENTITY", *RANGES])
        raise ValueError(f"checkpoint normalises {feature} by {mode!r}, known are {known}")
    low, high = (_of(feature, name, statistics) for name in RANGES[mode])
    return Scale.of_range(low, np.where(high == low, epsilon, high - low))


def _of(feature: str, name: str, statistics: Mapping[str, Array]) -> Array:
    key = f"{feature}.{name}"
    if key not in statistics:
        known = ", ".join(sorted(statistics))
        raise ValueError(f"checkpoint's statistics have no {key!r}, they have: {known}")
    return np.atleast_1d(np.asarray(statistics[key], np.float64))
