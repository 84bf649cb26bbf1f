"""How long the parts of a system take: what `rlvla profile` measures and simulations run on.

Times in files and options are milliseconds, those that methods return are seconds.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlvla.core.component import OptionError, build, options_of
from rlvla.core.document import complain, dump, parse

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

SPREAD_SEED = 0x5EED


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Time of one call: constant, log-normal, or drawn from what was recorded."""

    mean_ms: float
    """Mean, stragglers and spread aside."""
    cv: float = 0.0
    """Coefficient of variation (deviation / mean) of a log-normal distribution; 0: constant."""
    samples_ms: tuple[float, ...] = ()
    """Recorded times to draw from instead; `mean_ms` is then their mean."""
    spread: float = 0.0
    """Coefficient of variation between lanes, each of which keeps its factor for ever."""
    straggle: float = 0.0
    """Probability that a call takes `straggle_factor` times as long."""
    straggle_factor: float = 1.0

    def __post_init__(self) -> None:
        for name in ("mean_ms", "cv", "spread"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        if not 0 <= self.straggle <= 1:
            raise ValueError(f"straggle must be between 0 and 1, got {self.straggle}")
        if self.straggle_factor < 1:
            raise ValueError(f"straggle_factor must be at least 1, got {self.straggle_factor}")

    @property
    def mean_s(self) -> float:
        """Mean over lanes and calls, in seconds."""
        return self.mean_ms / 1000 * (1 + self.straggle * (self.straggle_factor - 1))

    def draw(self, dice: random.Random, lane: int) -> float:
        """Return the seconds of one call for `lane`."""
        if self.samples_ms:
            seconds = dice.choice(self.samples_ms) / 1000
        else:
            seconds = self.mean_ms / 1000 * _log_normal(dice, self.cv)
        if self.spread:
            seconds *= _log_normal(random.Random(SPREAD_SEED + lane), self.spread)
        if self.straggle and dice.random() < self.straggle:
            seconds *= self.straggle_factor
        return seconds


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Time of a call for n samples at once: `base_ms + per_sample_ms * n`."""

    base_ms: float = 0.0
    per_sample_ms: float = 0.0

    def __post_init__(self) -> None:
        for name in ("base_ms", "per_sample_ms"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")

    def seconds(self, samples: int) -> float:
        """Return the seconds of a call for so many samples."""
        return (self.base_ms + self.per_sample_ms * samples) / 1000


@dataclass(frozen=True, kw_only=True)
class Publish(Curve):
    """Time until all generators see new weights; `per_sample_ms` counts cells."""

    blocking: bool = False
    """The trainer and the generators wait meanwhile, as for a broadcast of the whole state."""


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """Times of everything that a run waits for."""

    step: Latency
    """A simulator's chunk of actions in one lane."""
    reset: Latency
    """The beginning of an episode in one lane."""
    batch: Curve | None = None
    """A chunk in n lanes at once, of a simulator that steps them together."""
    generator: Curve
    """A forward pass for n decisions."""
    trainer: Curve
    """Forward and backward pass of a micro-batch of n decisions."""
    update_ms: float = 0.0
    """An optimizer step."""
    publish: Publish = field(default_factory=Publish)
    all_reduce_ms: float = 0.0
    """The exchange of gradients between the ranks of the trainer, per optimizer step."""
    source: str = ""
    """Where the numbers come from."""

    def __post_init__(self) -> None:
        for name in ("update_ms", "all_reduce_ms"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")


def load(path: Path) -> Latencies:
    """Read what `save` wrote; raise ManifestError, with file and line, if it is not that."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise OptionError(f"cannot read {path}: {error.strerror}") from error
    document = parse(text, str(path))
    try:
        return build(Latencies, document.data)
    except OptionError as error:
        raise complain(document.mark(error.place), error.message, error.place) from None


def save(latencies: Latencies, path: Path) -> None:
    """Write a file of latencies."""
    plain: dict[str, Any] = options_of(latencies)
    path.write_text(dump(plain), encoding="utf-8")


def _log_normal(dice: random.Random, cv: float) -> float:
    """Draw a factor of mean 1: sigma^2 = ln(1 + cv^2), mu = -sigma^2 / 2."""
    if not cv:
        return 1.0
    variance = math.log1p(cv * cv)
    return dice.lognormvariate(-variance / 2, math.sqrt(variance))
