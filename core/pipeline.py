"""The run: a handful of tasks in one group, which only await their workers.

    requests (slot ids)                    segments
    lanes ──────────▶ batcher ──▶ generator ───────▶ streamer ──▶ learner ──▶ trainer
      ▲                              │                               │           │
      └───────── decisions ──────────┘       admission ◀──── publisher ◀─────────┘ versions

| task       | waits for                            | is held back by                        |
| ---------- | ------------------------------------ | -------------------------------------- |
| a lane     | its decision, its simulator          | admission: the bound on staleness      |
| batchers   | requests, as their rule says         | their generator: one batch at a time   |
| learner    | segments: any (streaming), or all    | the oldest segments still rolled out   |
| publisher  | a new version                        | nothing; training goes on beside it    |
| evaluation | decisions on lanes of its own        | nothing; training goes on beside it    |

The learner is the finite clock. It ends by closing admission, and the lanes then end by
themselves; `stop` closes everything at once. Nothing is cancelled unless a task fails.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rlvla.core.crew import Crew
from rlvla.core.demonstration import Demonstrator
from rlvla.core.errors import ClosedError
from rlvla.core.evaluation import Evaluator
from rlvla.core.learner import Learner
from rlvla.core.ledger import Ledger
from rlvla.core.metrics import Metrics
from rlvla.core.publisher import Publisher
from rlvla.core.schedule import Scheduling
from rlvla.core.standstill import Standstill, seen_within
from rlvla.core.starts import Starts

if TYPE_CHECKING:
    from rlvla.core.progress import Progress
    from rlvla.core.record import Record
    from rlvla.core.schedule import Schedule
    from rlvla.core.settings import Manifest, Phase
    from rlvla.core.success import Tally
    from rlvla.core.workers import Workers


class Pipeline:
    """One phase of a run, over workers that somebody else started and will end."""

    def __init__(
        self, manifest: Manifest, phase: Phase, workers: Workers, progress: Progress, record: Record
    ) -> None:
        self.stopped = False
        self._ended = asyncio.Event()
        self._manifest = manifest
        self._phase = phase
        self._trainer = workers.trainer
        self._progress = progress
        self._record = record
        self._wire(workers)

    def _wire(self, workers: Workers) -> None:
        manifest, progress = self._manifest, self._progress
        self._metrics = Metrics(
            sum(len(cell.shards) for cell in workers.cells),
            sum(len(cell.generators) for cell in workers.cells),
            used=workers.used,
            replaced=workers.replaced,
            tracer=self._record.tracer,
        )
        self._ledger = Ledger(progress.ledger)
        self._ledger.drop(self._ledger.in_flight, "shutdown")  # of the run that is resumed
        self._starts = Starts(
            manifest.simulator.tasks, seed=manifest.seed, ordinal=progress.ordinal
        )
        self._crews = [
            Crew(number, cell, manifest, self._metrics) for number, cell in enumerate(workers.cells)
        ]
        dispatchers = [crew.dispatcher for crew in self._crews]
        for dispatcher in dispatchers:
            dispatcher.version = progress.version
        self._training = [lane for crew in self._crews for lane in crew.training]
        schedule = self._schedule()
        self._admission, self._streamer = schedule.admission, schedule.streamer
        self._rollout = schedule.rollout
        self._publisher = Publisher(
            self._trainer,
            dispatchers,
            self._admission,
            self._record.tracer,
            skips=not manifest.deterministic,
        )
        self._evaluator = Evaluator(
            [lane for crew in self._crews for lane in crew.evaluating],
            [crew.slots for crew in self._crews],
        )

    async def run(self, *, before: bool) -> None:
        """Train until the budget is spent, then evaluate; evaluate before it too if wanted.

        Raise `ClosedError` if `stop` ended it.
        """
        try:
            async with asyncio.TaskGroup() as stages:
                stages.create_task(self._close_all(), name="end")
                stages.create_task(self._publisher.run(), name="publisher")
                self._serve(stages)
                stages.create_task(self._conduct(stages, before=before), name="conductor")
        except* ClosedError:
            if not self.stopped:
                raise
        finally:
            self._ledger.drop(self._ledger.in_flight, "shutdown" if self.stopped else "unused")
            self._note()
            self._record.paced(self._metrics.paces)
        if self.stopped:
            raise ClosedError

    async def measure(self) -> Tally:
        """Evaluate without training."""
        async with asyncio.TaskGroup() as stages:
            self._serve(stages)
            evaluation = await self._evaluator.evaluate(self._manifest.protocol, videos=0)
            self._close_crews()
        return evaluation.tally

    def stop(self) -> None:
        """End as soon as what is under way has come back."""
        self.stopped = True
        self._ended.set()

    async def _close_all(self) -> None:
        await self._ended.wait()
        self._close_crews()
        self._publisher.close()
        self._admission.close()
        self._streamer.close()

    def _serve(self, stages: asyncio.TaskGroup) -> None:
        for crew in self._crews:
            crew.serve(stages)

    def _close_crews(self) -> None:
        for crew in self._crews:
            crew.close()

    async def _conduct(self, stages: asyncio.TaskGroup, *, before: bool) -> None:
        if before:
            await self._evaluate("before")
        algorithm = self._phase.algorithm
        shows = algorithm.recording is None
        if shows and (beside := algorithm.cotraining) is not None:
            await self._demonstrate(beside.demonstrations)
        if shows and algorithm.demonstrations:
            await self._demonstrate(algorithm.demonstrations)
        if not algorithm.demonstrations:
            for lane in self._training:
                stages.create_task(self._rollout.run(lane), name=f"lane {lane.number}")
        await self._learn(stages)
        self._admission.close()
        await self._publisher.settled()
        await self._evaluate("after")
        self._ended.set()

    async def _learn(self, stages: asyncio.TaskGroup) -> None:
        learner = self._learner()
        budget, every = self._phase.budget, self._manifest.evaluating.every
        while not self.stopped and self._progress.spent(budget) < 1:
            row = await learner.update()
            self._note()
            fraction = {"budget/fraction": min(self._progress.spent(budget), 1.0)}
            row |= fraction | self._metrics.row() | self._accounts()
            self._record.row(row, self._progress)
            if self._progress.updates % self._manifest.checkpointing.every == 0:
                await self._record.save(self._trainer, self._progress)
            more = self._progress.spent(budget) < 1
            if more and every and self._progress.updates % every == 0:
                stages.create_task(self._evaluate_during(), name="evaluation")
        if self.stopped:
            raise ClosedError

    async def _evaluate(self, moment: str) -> None:
        manifest = self._manifest
        protocol = manifest.glance if moment == "during" else manifest.protocol
        videos = manifest.evaluating.videos
        evaluation = await self._evaluator.evaluate(protocol, videos=videos)
        self._record.evaluated(moment, evaluation)

    async def _evaluate_during(self) -> None:
        try:
            await self._evaluate("during")
        except* ClosedError:
            if not self.stopped:  # else the learner ends its update first
                raise

    async def _demonstrate(self, episodes: int) -> None:
        starts = Starts(self._manifest.simulator.tasks, seed=self._manifest.seed)
        demonstrator = Demonstrator(self._training, self._trainer, starts, self._ended)
        await demonstrator.demonstrate(episodes)

    def _note(self) -> None:
        self._progress.ledger = self._ledger.counts()
        self._progress.ordinal = self._starts.ordinal

    def _accounts(self) -> dict[str, float]:
        return {f"ledger/{name}": count for name, count in self._ledger.counts().items()}

    def _schedule(self) -> Schedule:
        return Scheduling(
            manifest=self._manifest,
            phase=self._phase,
            progress=self._progress,
            lanes=self._training,
            starts=self._starts,
            ledger=self._ledger,
            metrics=self._metrics,
        ).schedule()

    def _learner(self) -> Learner:
        return Learner(
            phase=self._phase,
            asynchrony=self._manifest.asynchrony,
            progress=self._progress,
            trainer=self._trainer,
            publisher=self._publisher,
            admission=self._admission,
            streamer=self._streamer,
            ledger=self._ledger,
            free=[crew.free for crew in self._crews],
            metrics=self._metrics,
            standstill=self._standstill(),
            whole=not self._manifest.deterministic,
        )

    def _standstill(self) -> Standstill | None:
        within = seen_within(self._phase.algorithm, self._manifest.asynchrony.max_staleness)
        if within is None:
            return None
        return Standstill(
            within=within,
            publisher=self._publisher,
            batchers=[batcher for crew in self._crews for batcher in crew.batchers],
            free=[crew.free for crew in self._crews],
            trainer=self._trainer,
            metrics=self._metrics,
        )
