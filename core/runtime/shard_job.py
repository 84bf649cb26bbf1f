"""What a simulator worker knows of a job: nothing of its model and its algorithm."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - read at run time as the type of an option
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.interfaces import Simulator  # noqa: TC001 - as Mapping
from rlvla.core.types import Field, SimulatorSpec  # noqa: TC001 - as Mapping

if TYPE_CHECKING:
    from rlvla.core.workers import Job


@dataclass(frozen=True, kw_only=True)
class ShardJob:
    """The part of a job that is one shard's; it travels as `describe` and `construct` make it."""

    simulator: Simulator
    spec: SimulatorSpec
    decision: Mapping[str, Field]
    """What a model decides, see `Model.decision_fields`."""
    lanes: tuple[int, ...]
    slots: int
    """How many rows the shared memory holds."""
    turn: int | None = None
    """Number of what it uses in turns, if anything."""


def shard_job(job: Job, number: int) -> ShardJob:
    """Return what shard `number` of a job needs."""
    spec = job.simulator.spec
    return ShardJob(
        simulator=job.simulator,
        spec=spec,
        decision=job.model.decision_fields(spec),
        lanes=tuple(job.lanes[number]),
        slots=job.slots,
        turn=job.placement.turn("shard"),
    )
