"""Builds the worker objects of a job, for this process or inside a worker process.

torch is imported only where a policy is built: simulator workers stay light.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlvla.core.component import build, construct, describe, options_of
from rlvla.core.errors import PreflightError
from rlvla.core.interfaces import Placeable
from rlvla.core.memory import map_shared
from rlvla.core.placement import Placement
from rlvla.core.runtime.turn import NO_TURN, Turn
from rlvla.core.shard import Shard
from rlvla.core.slots import Layout
from rlvla.core.weights import Weights, weights_bytes
from rlvla.core.workers import Job

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    import torch

    from rlvla.core.generator import Generator
    from rlvla.core.interfaces import Policy
    from rlvla.core.runtime.shard_job import ShardJob
    from rlvla.core.slots import Slots
    from rlvla.core.trainer import Trainer

COMPONENTS = ("simulator", "model", "algorithm")


@dataclass(frozen=True)
class Memory:
    """Descriptors of what the workers of a job share."""

    slots: int
    weights: int
    turns: int


def layout_of(job: Job) -> Layout:
    """Return how the rows of a job are laid out."""
    spec = job.simulator.spec
    return Layout(spec, job.model.decision_fields(spec))


def build_shard(job: ShardJob, slots: Slots, memory: Memory) -> Shard:
    """Start the simulator of one shard."""
    shard = Shard(job.simulator, job.lanes, slots)
    shard.turn = _turn(job.turn, memory)
    return shard


def build_trainer(job: Job, slots: Slots, memory: Memory, *, device: str = "cpu") -> Trainer:
    """Build the trainer, and give the memory of the weights its size."""
    from rlvla.core.demonstrations import Demonstrations
    from rlvla.core.followers import follow
    from rlvla.core.generator import shapes_of
    from rlvla.core.recorded import recorded
    from rlvla.core.trainer import Trainer

    policy = _build_policy(job, device, trains=True)
    shapes = shapes_of(policy.module)
    os.ftruncate(memory.weights, weights_bytes(shapes, banks=job.banks))
    shared = Weights(shapes, map_shared(memory.weights), banks=job.banks)
    trainer = Trainer(policy, job.algorithm, slots, shared, seed=job.seed)
    trainer.followers = follow(policy, job.algorithm, max_staleness=job.max_staleness)
    trainer.turn = _turn(job.placement.turn("trainer"), memory)
    episodes = recorded(job.algorithm, job.simulator.spec)
    trainer.demonstrations = Demonstrations(episode.rows(slots.layout) for episode in episodes)
    return trainer


def build_generator(job: Job, slots: Slots, memory: Memory, *, device: str = "cpu") -> Generator:
    """Build a generator that follows the weights of the trainer."""
    from rlvla.core.generator import Generator, shapes_of

    policy = _build_policy(job, device, trains=False)
    while os.fstat(memory.weights).st_size == 0:
        time.sleep(0.005)  # the trainer is being built at the same time
    weights = Weights(shapes_of(policy.module), map_shared(memory.weights), banks=job.banks)
    turn = _turn(job.placement.turn("generator"), memory)
    return Generator(policy, slots, weights, turn=turn)


def job_to_plain(job: Job) -> dict[str, Any]:
    """Return a job as JSON-able data for a worker process."""
    plain = {name: getattr(job, name) for name in Job.__dataclass_fields__}
    described = {name: describe(plain[name]) for name in COMPONENTS}
    return plain | described | {"placement": options_of(job.placement)}


def job_from_plain(plain: Mapping[str, Any]) -> Job:
    """Rebuild what `job_to_plain` returned."""
    built: dict[str, Any] = {name: construct(plain[name]) for name in COMPONENTS}
    built["placement"] = build(Placement, plain["placement"])
    return Job(**{**plain, **built})


def _turn(number: int | None, memory: Memory) -> AbstractContextManager[float]:
    return NO_TURN if number is None else Turn(memory.turns, number)


def _build_policy(job: Job, device: str, *, trains: bool) -> Policy:
    import torch

    torch.set_num_threads(1)
    policy = job.model.build(job.simulator.spec, seed=job.seed)
    if job.weights is not None:
        policy.load(job.weights)
    place(policy, torch.device(device), trains=trains)
    return policy


def place(policy: Policy, device: torch.device, *, trains: bool) -> None:
    """Move a policy to where it computes; raise PreflightError if that is not here."""
    import torch

    if device.type == "cuda" and not torch.cuda.is_available():
        raise PreflightError("placement lists gpus, but torch finds no CUDA device here")
    if isinstance(policy, Placeable):
        policy.place(device, trains=trains)
    else:
        policy.module.to(device)
