"""The Gaussian of a denoising step: mean wx x + wv v, and a deviation; imports no torch.

`time` is t before the step and `width` is 1/K. The predicted action is x - t v and the predicted
noise x + (1 - t) v. All kinds are the Euler step x - v/K where the deviation is 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from rlvla.core.types import Arrays
    from rlvla.plugins.models.flow.sampling import FlowSampling

    Doubles: TypeAlias = NDArray[np.float64]
    Singles: TypeAlias = NDArray[np.float32]


class Weights(NamedTuple):
    """Of the point and of the velocity in the mean."""

    point: Doubles
    velocity: Doubles


def times(sampling: FlowSampling) -> Doubles:
    """Return t before each step, [K]: from 1 down to 1/K."""
    return 1 - np.arange(sampling.steps, dtype=np.float64) / sampling.steps


def recorded(sampling: FlowSampling, temperature: Singles) -> Singles:
    """Return what the field `noise` says of all drawable steps, [B, K] (`cps`: [B, K - 1]).

    That is the deviation of each, or the bounds [B, 2] of the learned one, times the temperature;
    temperature 0, at which nothing is drawn, is scored as 1.
    """
    heat = np.where(temperature > 0, temperature, 1).astype(np.float64)[:, None]
    return DEVIATIONS[sampling.kind](sampling, heat).astype(np.float32)


def drawn(sampling: FlowSampling, record: Arrays) -> NDArray[np.int64]:
    """Return which steps of each recorded decision were drawn, [B, S]."""
    first = record.get("step", np.zeros(len(record["noise"]), np.int64))
    return first[:, None] + np.arange(sampling.drawn)


def weights(sampling: FlowSampling, time: Doubles, deviation: Singles) -> Weights:
    """Return the weights of the mean of steps from `time` with `deviation`, both [B, N]."""
    return WEIGHTS[sampling.kind](time, 1 / sampling.steps, deviation.astype(np.float64))


def _sde_deviations(sampling: FlowSampling, heat: Doubles) -> Doubles:
    """Return sigma / sqrt(K), sigma = a sqrt(t / (1 - t)); at t = 1 the next 1 - t is taken."""
    time = times(sampling)
    later = np.maximum(1 - time, 1 / sampling.steps)
    return heat * sampling.noise * np.sqrt(time / later / sampling.steps)


def _cps_deviations(sampling: FlowSampling, heat: Doubles) -> Doubles:
    """Return (t - 1/K) sin(pi noise / 2): at most all of the noise that is left."""
    left = times(sampling)[:-1] - 1 / sampling.steps
    return left * np.minimum(heat * math.sin(math.pi * sampling.noise / 2), 1)


def _bounds(sampling: FlowSampling, heat: Doubles) -> Doubles:
    return heat * np.array([sampling.low, sampling.high], np.float64)


def _sde(time: Doubles, width: float, deviation: Doubles) -> Weights:
    """Return x (1 - s^2 / 2t) - v (1/K + s^2 (1 - t) / 2t): arXiv 2505.05470, s = sigma/sqrt(K)."""
    pull = deviation**2 / (2 * time)
    return Weights(1 - pull, -width - pull * (1 - time))


def _cps(time: Doubles, width: float, deviation: Doubles) -> Weights:
    """Keep so much of the predicted noise that with the fresh noise there is t - 1/K of it."""
    left = time - width
    kept = np.sqrt(np.maximum(left**2 - deviation**2, 0))
    return Weights(1 - left + kept, (1 - time) * kept - time * (1 - left))


def _euler(time: Doubles, width: float, deviation: Doubles) -> Weights:
    del deviation
    return Weights(np.ones_like(time), np.full_like(time, -width))


DEVIATIONS: Mapping[str, Callable[[FlowSampling, Doubles], Doubles]] = {
    "sde": _sde_deviations,
    "cps": _cps_deviations,
    "noise": _bounds,
}
WEIGHTS: Mapping[str, Callable[[Doubles, float, Doubles], Weights]] = {
    "sde": _sde,
    "cps": _cps,
    "noise": _euler,
}
