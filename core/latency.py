"""How long things take: distributions and curves that stand for a simulator, a model, a network.

A `Latency` is one call's time, a `Curve` that of a batch, and `Latencies` all of a pipeline: what
a measurement of real workers writes and a run on a virtual clock reads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING

from rlvla.core.component import OptionError, build, options_of
from rlvla.core.document import complain, dump, parse
from rlvla.core.inheritance import read

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Times of a call: constant, log-normal, or drawn from measured ones; with slow lanes."""

    mean_ms: float = 0.0
    """Mean in milliseconds, before `straggle`."""
    cv: float = 0.0
    """Standard deviation over mean of a log-normal distribution; 0: every call takes the mean."""
    samples_ms: tuple[float, ...] = ()
    """Measured times to draw from, each as probable; they replace `mean_ms` and `cv`."""
    spread: float = 0.0
    """Standard deviation over the lanes of a log-normal factor of mean 1 that a lane keeps."""
    straggle: float = 0.0
    """Probability that a call is slowed down."""
    straggle_factor: float = 1.0
    """How many times longer a slowed call takes."""

    def __post_init__(self) -> None:
        for name in ("mean_ms", "cv", "spread", "straggle_factor"):
            _check_size(name, getattr(self, name))
        for sample in self.samples_ms:
            _check_size("samples_ms", sample)
        if self.samples_ms and (self.mean_ms or self.cv):
            raise ValueError("samples_ms exclude mean_ms and cv")
        if not 0 <= self.straggle <= 1:
            raise ValueError(f"straggle must be a probability, got {self.straggle}")

    @property
    def mean_s(self) -> float:
        """Mean in seconds over calls and lanes, slowed calls included."""
        slowed = 1 + self.straggle * (self.straggle_factor - 1)
        if self.samples_ms:
            return slowed * math.fsum(self.samples_ms) / len(self.samples_ms) / 1000
        return slowed * self.mean_ms / 1000

    def draw(self, random: Random, lane: int) -> float:
        """Return the seconds that a call of `lane` takes."""
        seconds = self._typical_ms(random) / 1000
        if self.straggle and random.random() < self.straggle:
            seconds *= self.straggle_factor
        return seconds * _pace(lane, self.spread) if self.spread else seconds

    def _typical_ms(self, random: Random) -> float:
        if self.samples_ms:
            return random.choice(self.samples_ms)
        return self.mean_ms * _log_normal(random, self.cv) if self.cv else self.mean_ms


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Time of a batch: a fixed part and one per sample."""

    base_ms: float = 0.0
    """Milliseconds of a batch of any size."""
    per_sample_ms: float = 0.0
    """Milliseconds that each sample adds."""

    def __post_init__(self) -> None:
        for name in ("base_ms", "per_sample_ms"):
            _check_size(name, getattr(self, name))

    def seconds(self, n: int) -> float:
        """Return the seconds that a batch of `n` samples takes."""
        return (self.base_ms + self.per_sample_ms * n) / 1000


@dataclass(frozen=True, kw_only=True)
class Publish(Curve):
    """Time from the end of an update until all generators have its weights; a sample is a cell."""

    blocking: bool = False
    """The trainer waits for it instead of going on beside it."""


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """All that a pipeline waits for."""

    step: Latency
    """Of a chunk of actions in one lane; the lanes of a worker that are not `batch`ed add up."""
    reset: Latency
    """Of the beginning of an episode in one lane."""
    batch: Curve | None = None
    """Of a chunk in so many lanes at once, instead of `step`: a batched simulator. Its lanes also
    begin episodes at once, in one `reset`."""
    generator: Curve
    """Of so many decisions in one forward pass of a generator."""
    trainer: Curve
    """Of a micro-batch of so many decisions, forward and backward."""
    update_ms: float = 0.0
    """Of an optimizer step."""
    publish: Publish = field(default_factory=Publish)
    """Of the way of new weights to all generators."""
    all_reduce_ms: float = 0.0
    """What each update adds where several trainers average their gradients."""
    source: str = ""
    """Where the figures come from."""

    def __post_init__(self) -> None:
        for name in ("update_ms", "all_reduce_ms"):
            _check_size(name, getattr(self, name))


def load(path: Path) -> Latencies:
    """Read what `save` wrote; raise ManifestError with file, line and key if it is wrong."""
    document = parse(read(path), str(path))
    try:
        return build(Latencies, document.data)
    except OptionError as error:
        known = f", expected {', '.join(error.known)}" if error.known else ""
        raise complain(document.mark(error.place), error.message + known, error.place) from None


def save(latencies: Latencies, path: Path) -> None:
    """Write latencies as YAML, so that `load` reads the same back."""
    path.write_text(dump(options_of(latencies)), encoding="utf-8")


def _check_size(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be finite and at least 0, got {value}")


def _log_normal(random: Random, cv: float) -> float:
    """Draw from the log-normal distribution of mean 1 and standard deviation `cv`.

    If ln X is normal with mean m and variance v, E X = exp(m + v / 2) and
    Var X = (exp(v) - 1) (E X) ** 2; hence v = ln(1 + cv ** 2) and m = -v / 2.
    """
    variance = math.log1p(cv * cv)
    return random.lognormvariate(-variance / 2, math.sqrt(variance))


@lru_cache(maxsize=1 << 16)
def _pace(lane: int, spread: float) -> float:
    """Return how many times longer than the mean lane number `lane` takes, always the same."""
    return _log_normal(Random(lane), spread)
