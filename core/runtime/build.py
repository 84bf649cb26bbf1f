"""Builds the worker objects of a job, for this process or inside a worker process.

torch is imported only where a policy is built: simulator workers stay light.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from rlvla.core.component import construct, describe
from rlvla.core.memory import map_shared
from rlvla.core.shard import Shard
from rlvla.core.slots import Layout
from rlvla.core.weights import Weights, weights_bytes
from rlvla.core.workers import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.generator import Generator
    from rlvla.core.interfaces import Policy
    from rlvla.core.slots import Slots
    from rlvla.core.trainer import Trainer

COMPONENTS = ("simulator", "model", "algorithm")


def layout_of(job: Job) -> Layout:
    """Return how the rows of a job are laid out."""
    spec = job.simulator.spec
    return Layout(spec, job.model.decision_fields(spec))


def build_shard(job: Job, number: int, slots: Slots) -> Shard:
    """Start the simulator of one shard."""
    return Shard(job.simulator, job.lanes[number], slots)


def build_trainer(job: Job, slots: Slots, weights: int) -> Trainer:
    """Build the trainer, and give the memory behind `weights` its size."""
    from rlvla.core.generator import shapes_of
    from rlvla.core.trainer import Trainer

    policy = _build_policy(job)
    shapes = shapes_of(policy.module)
    os.ftruncate(weights, weights_bytes(shapes))
    shared = Weights(shapes, map_shared(weights))
    return Trainer(policy, job.algorithm, slots, shared, seed=job.seed)


def build_generator(job: Job, slots: Slots, weights: int) -> Generator:
    """Build a generator that follows the memory behind `weights`."""
    from rlvla.core.generator import Generator, shapes_of

    policy = _build_policy(job)
    while os.fstat(weights).st_size == 0:
        time.sleep(0.005)  # the trainer is being built at the same time
    return Generator(policy, slots, Weights(shapes_of(policy.module), map_shared(weights)))


def job_to_plain(job: Job) -> dict[str, Any]:
    """Return a job as JSON-able data for a worker process."""
    return {
        name: describe(value) if name in COMPONENTS else value
        for name, value in ((one, getattr(job, one)) for one in Job.__dataclass_fields__)
    }


def job_from_plain(plain: Mapping[str, Any]) -> Job:
    """Rebuild what `job_to_plain` returned."""
    built: dict[str, Any] = {name: construct(plain[name]) for name in COMPONENTS}
    return Job(**{**plain, **built})


def _build_policy(job: Job) -> Policy:
    import torch

    torch.set_num_threads(1)
    policy = job.model.build(job.simulator.spec, seed=job.seed)
    if job.weights is not None:
        policy.load(job.weights)
    return policy
