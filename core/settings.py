"""A resolved manifest: what the YAML of a run means, typed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rlvla.core.protocol import EvaluationProtocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rlvla.core.assignment import Assignment
    from rlvla.core.interfaces import (
        Algorithm,
        Batching,
        Logger,
        Model,
        Runtime,
        Sharding,
        Simulator,
    )
    from rlvla.core.placement import Placement


EPISODES = 100
"""Episodes per task of an evaluation, where nothing else is said."""
NAMED_TASKS = 4
"""So many tasks, at most, are spelt out in the name of how success is measured."""


@dataclass(frozen=True, kw_only=True)
class Asynchrony:
    """The manifest's `async`: the three levels of asynchrony, each of which can be off."""

    rollout: bool = True
    """Lanes do not wait for each other between decisions; off: they step in lockstep."""
    stream: bool = True
    """Train on micro-batches as they arrive; off: wait for the whole batch."""
    max_staleness: int = 1
    """Largest trainer version minus behaviour version at consumption (η); 0 is synchronous."""
    segment: int = 8
    """Decisions of a lane that travel to the trainer together; divides `batch_size`. An algorithm
    that compares episodes gets whole ones, whatever this says."""
    consistent_groups: bool = False
    """All decisions of a group of episodes are made by the weights that it was opened with."""

    def __post_init__(self) -> None:
        if self.max_staleness < 0:
            raise ValueError(f"max_staleness must be at least 0, got {self.max_staleness}")
        if self.segment < 1:
            raise ValueError(f"segment must be at least 1, got {self.segment}")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When a phase ends: at whichever limit comes first."""

    updates: int | None = None
    """Training batches."""
    decisions: int | None = None
    """Decisions trained on."""
    minutes: float | None = None
    """Wall-clock time of training, evaluation excluded."""

    def __post_init__(self) -> None:
        limits = {"updates": self.updates, "decisions": self.decisions, "minutes": self.minutes}
        for name, limit in limits.items():
            if limit is not None and limit <= 0:
                raise ValueError(f"{name} must be positive, got {limit}")
        if all(limit is None for limit in limits.values()):
            raise ValueError("a budget needs updates, decisions or minutes")


@dataclass(frozen=True, kw_only=True)
class Evaluating:
    """The manifest's `eval`: the fixed protocol by which success is measured."""

    protocol: str | None = None
    """One of the simulator's published protocols, as `libero_10@v1`; by default held-out starts of
    every task."""
    episodes: int | None = None
    """Episodes per task of the evaluations before and after training; by default as many as the
    protocol says, or 100 if none is named. Held-out starts, greedy."""
    every: int = 0
    """Evaluate after so many updates, while training goes on; 0: only before and after."""
    during: int = 50
    """Episodes per task of the evaluations while training goes on."""
    lanes: int = 8
    """Lanes that evaluate, beside those that train."""
    videos: int = 2
    """Episodes of each evaluation to keep as video."""

    def __post_init__(self) -> None:
        if self.episodes is not None and self.episodes < 1:
            raise ValueError(f"episodes must be at least 1, got {self.episodes}")
        for name in ("during", "lanes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("every", "videos"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class Checkpointing:
    """The manifest's `checkpoint`."""

    every: int = 20
    """Save after so many updates; also at the start and end of each phase and when stopped."""
    keep: int = 2
    """How many of the newest checkpoints stay."""

    def __post_init__(self) -> None:
        for name in ("every", "keep"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class Phase:
    """An algorithm and how long it trains."""

    name: str
    """The algorithm's `type`."""
    algorithm: Algorithm
    budget: Budget


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything a run is made of, constructed and checked."""

    name: str
    seed: int
    simulator: Simulator
    model: Model
    phases: tuple[Phase, ...]
    asynchrony: Asynchrony
    batching: Batching
    sharding: Sharding
    padding: tuple[int, ...]
    """Rows that forward passes of a generator are padded to, the next larger one; none: as many
    as there are requests."""
    placement: Placement
    runtime: Runtime
    evaluating: Evaluating
    checkpointing: Checkpointing
    deterministic: bool
    """The same weights bit for bit, whatever the timing, lost workers, stops and resumes."""
    trace: bool
    """Record where the time goes, for `rlvla trace`."""
    loggers: tuple[Logger, ...]
    output_dir: Path
    plain: Mapping[str, Any] = field(repr=False)
    """The merged manifest as plain data, secrets and `env:` references not resolved."""

    @cached_property
    def assignment(self) -> Assignment:
        """Who owns and serves each lane; the lanes that evaluate come after those that train."""
        return self.sharding.assign(
            self.simulator.lanes, batched=self.simulator.spec.batched
        ).extended(self.evaluating.lanes, own_worker=self.simulator.spec.batched)

    @property
    def exact_versions(self) -> bool:
        """Whether decisions are asked of certain versions, so that older ones must be kept."""
        return self.deterministic or self.asynchrony.consistent_groups

    @cached_property
    def protocol(self) -> EvaluationProtocol:
        """How success is measured before and after training; raises ValueError if there are fewer
        published episodes than are wanted."""
        published, episodes = self._published, self.evaluating.episodes
        if published is None:
            return self._held_out(episodes or EPISODES)
        return published.first(episodes or published.episodes)

    @cached_property
    def glance(self) -> EvaluationProtocol:
        """How success is measured while training goes on."""
        published, episodes = self._published, self.evaluating.during
        if published is None:
            return self._held_out(episodes)
        return published.first(min(episodes, published.episodes))

    @property
    def _published(self) -> EvaluationProtocol | None:
        named = {one.name: one for one in published_by(self.simulator)}
        return None if self.evaluating.protocol is None else named[self.evaluating.protocol]

    def _held_out(self, episodes: int) -> EvaluationProtocol:
        tasks = tuple(self.simulator.tasks)
        named = "+".join(tasks) if len(tasks) <= NAMED_TASKS else f"{len(tasks)} tasks"
        return EvaluationProtocol(
            name=f"{self.plain['simulator']['type']}/{named}@v1",
            tasks=tasks,
            episodes=episodes,
            max_steps=self.simulator.spec.max_steps,
        )


def published_by(simulator: Simulator) -> Sequence[EvaluationProtocol]:
    """Return the protocols that a simulator offers, if it is a `PublishedSimulator`."""
    offered: Sequence[EvaluationProtocol] = getattr(simulator, "protocols", ())
    return offered
