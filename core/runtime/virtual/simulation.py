"""A manifest on a virtual clock, without a folder: how fast it would be, and what holds it back."""

from __future__ import annotations

import gc
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from rlvla.core.errors import ClosedError
from rlvla.core.pipeline import Pipeline
from rlvla.core.progress import Progress
from rlvla.core.run import job_of
from rlvla.core.runtime.virtual.loop import run_virtually
from rlvla.core.runtime.virtual.result import ROLES, Result, Snapshot, between
from rlvla.core.settings import Budget

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from rlvla.core.evaluation import Evaluation
    from rlvla.core.paces import Paces
    from rlvla.core.record import Record
    from rlvla.core.runtime.virtual.runtime import Virtual
    from rlvla.core.runtime.virtual.world import World
    from rlvla.core.settings import Manifest
    from rlvla.core.trace import Tracer
    from rlvla.core.workers import TrainerWorker

ENDLESS = Budget(updates=1 << 62)


def simulate(
    manifest: Manifest, runtime: Virtual, *, updates: int, warmup: int = 1, phase: int = 0
) -> Result:
    """Run a phase of a manifest for `warmup` updates, then measure the next `updates`."""
    simulation = Simulation(
        manifest=manifest, runtime=runtime, updates=warmup + updates, phase=phase
    )
    with _seldom_collected():
        run_virtually(simulation.run())
    return simulation.result(warmup)


@contextmanager
def _seldom_collected() -> Generator[None]:
    """Search for cyclic garbage less often: the world is large, and hardly any of it is that."""
    usual = gc.get_threshold()
    gc.set_threshold(100_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@dataclass(kw_only=True)
class Simulation:
    """One run of the pipeline in a world of its own, whoever watches it.

    `run` must be awaited on a virtual loop; what it made is there to look at while it goes on
    and afterwards, whatever ended it.
    """

    manifest: Manifest
    runtime: Virtual
    updates: int
    """After which it ends."""
    phase: int = 0
    """Of the manifest."""
    tracer: Tracer | None = None
    """Gets the spans of the run; see `Record.tracer`."""
    progress: Progress = field(default_factory=Progress)
    """From where it goes on."""
    snapshots: list[Snapshot] = field(default_factory=list["Snapshot"])
    """After each update; the first is of the begin."""
    world: World = field(init=False)
    pipeline: Pipeline = field(init=False)

    async def run(self) -> None:
        """Make the world and let it run until enough updates were made, or something failed."""
        endless = replace(self.manifest.phases[self.phase], budget=ENDLESS)
        job = job_of(self.manifest, endless)
        self.world = self.runtime.world(job)
        async with self.runtime.inhabit(self.world, job) as workers:
            await workers.trainer.publish(self.progress.version)
            record = cast("Record", self)
            self.pipeline = Pipeline(self.manifest, endless, workers, self.progress, record)
            self.snapshots.append(Snapshot.of(self.world, self.progress))
            try:
                await self.pipeline.run(before=False)
            except ClosedError:
                if not self.pipeline.stopped:
                    raise

    def result(self, since: int = 0) -> Result:
        """Return what happened after the first `since` updates."""
        before, after = self.snapshots[since], self.snapshots[-1]
        return between(before, after, self._capacity(), self.world)

    def row(self, row: Mapping[str, float], progress: Progress) -> None:
        """Measure after an update; see `Record.row`."""
        del row
        self.snapshots.append(Snapshot.of(self.world, progress))
        if progress.updates == self.updates:
            self.pipeline.stop()

    def evaluated(self, moment: str, evaluation: Evaluation) -> None:
        """Keep nothing; see `Record.evaluated`."""

    def paced(self, paces: Paces) -> None:
        """Keep nothing; see `Record.paced`."""

    async def save(self, trainer: TrainerWorker, progress: Progress) -> None:
        """Keep nothing; see `Record.save`."""

    def _capacity(self) -> Counter[str]:
        """Return how many there are of each; simulator workers that only evaluate do not count."""
        cells, lanes = self.runtime.cells, self.manifest.simulator.lanes
        counts = Counter({name: self.world.size[role] for role, name in ROLES.items()})
        counts["simulator"] = cells * len({*self.manifest.assignment.workers[:lanes]})
        counts["lanes"] = cells * lanes
        return counts + Counter(unit.kind for unit in self.world.units.busy)
