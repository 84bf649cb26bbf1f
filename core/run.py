"""A run: its folder, its phases one after the other, and how it is stopped and resumed."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, cast

from rlvla.core.errors import ClosedError, ManifestError, RlvlaError, TrainingError
from rlvla.core.manifest import save
from rlvla.core.pipeline import Pipeline
from rlvla.core.progress import Progress
from rlvla.core.record import MANIFEST, Record
from rlvla.core.report import write_report
from rlvla.core.run_dir import EVALUATIONS, claim, locked, write_exit, write_versions
from rlvla.core.workers import Job

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator
    from pathlib import Path

    from rlvla.core.checkpoint import Checkpoint
    from rlvla.core.plugins import Plugins
    from rlvla.core.settings import Manifest, Phase
    from rlvla.core.success import Tally
    from rlvla.core.workers import TrainerWorker, Workers

T = TypeVar("T")

STOPPED = 75


class StoppedError(Exception):
    """A signal ended the run, which can be resumed."""

    def __init__(self, run_dir: Path) -> None:
        super().__init__(f"stopped; continue with `rlvla resume {run_dir}`")
        self.run_dir = run_dir


def run_manifest(manifest: Manifest, plugins: Plugins) -> Path:
    """Train as the manifest says, in a new folder; return the folder.

    Raise `StoppedError` after SIGINT or SIGTERM, when a checkpoint has been written.
    """
    run_dir = claim(manifest.output_dir)
    return _train(run_dir, manifest, plugins)


def resume_run(run_dir: Path, manifest: Manifest, plugins: Plugins) -> Path:
    """Go on from the newest checkpoint; from the beginning only if none was ever written."""
    return _train(run_dir, manifest, plugins)


def evaluate_run(
    run_dir: Path, manifest: Manifest, plugins: Plugins, *, episodes: int | None
) -> Tally:
    """Evaluate the newest checkpoint of a run; raise TrainingError if there is none.

    Without `episodes` there are as many per task as the manifest asks for.
    """
    with locked(run_dir):
        record = Record(run_dir, manifest, plugins)
        checkpoint = record.checkpoints.newest()
        if checkpoint is None:
            raise TrainingError(f"{run_dir} holds no checkpoint to evaluate")
        if episodes is not None:
            evaluating = replace(manifest.evaluating, episodes=episodes)
            manifest = replace(manifest, evaluating=evaluating)
        _check_episodes(manifest)
        run = Run(run_dir, manifest, record)
        return _on_its_loop(manifest, run.evaluate(checkpoint))


def _check_episodes(manifest: Manifest) -> None:
    try:
        _ = manifest.protocol
    except ValueError as error:
        raise ManifestError(str(error)) from None


def _train(run_dir: Path, manifest: Manifest, plugins: Plugins) -> Path:
    _on_its_loop(manifest, _train_listening(run_dir, manifest, plugins))
    return run_dir


def _on_its_loop(manifest: Manifest, main: Coroutine[object, object, T]) -> T:
    """Run `main` on the event loop that the runtime asks for, if it does."""
    factory = getattr(manifest.runtime, "loop_factory", None)
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


async def _train_listening(run_dir: Path, manifest: Manifest, plugins: Plugins) -> None:
    record = Record(run_dir, manifest, plugins)
    run = Run(run_dir, manifest, record)
    run.listen()
    with locked(run_dir):
        save(manifest, run_dir / MANIFEST)
        write_versions(run_dir, seed=manifest.seed, threads=1)
        with _recorded(run_dir, manifest, plugins, record):
            await run.train()


@contextmanager
def _recorded(
    run_dir: Path, manifest: Manifest, plugins: Plugins, record: Record
) -> Generator[None]:
    """Tell plugins and folder how the run began and how it ended, whatever it was."""
    error: BaseException | None = None
    plugins.hook.start(run_dir=run_dir, manifest=manifest.plain)
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        record.close()
        write_exit(run_dir, code=_code(error), message=str(error or "done"))
        write_report(run_dir)
        plugins.hook.stop(run_dir=run_dir, error=error)


def _code(error: BaseException | None) -> int:
    if error is None:
        return 0
    return STOPPED if isinstance(error, StoppedError) else getattr(error, "exit_code", 1)


class Run:
    """Takes the phases of a manifest through a runtime, from wherever the folder says."""

    def __init__(self, run_dir: Path, manifest: Manifest, record: Record) -> None:
        self._run_dir = run_dir
        self._manifest = manifest
        self._record = record
        self._progress = Progress()
        self._pipeline: Pipeline | None = None
        self._interrupted = False

    async def train(self) -> None:
        """Run what is left of the phases."""
        checkpoint = self._record.checkpoints.newest()
        self._progress = self._record.resume(checkpoint)
        self._record.start()
        try:
            for number in range(self._progress.phase, len(self._manifest.phases)):
                checkpoint = await self._phase(number, checkpoint)
        except (ClosedError, asyncio.CancelledError):
            if not self._interrupted:
                raise
            raise StoppedError(self._run_dir) from None
        except BaseExceptionGroup as group:
            raise _cause(group) from group

    async def evaluate(self, checkpoint: Checkpoint) -> Tally:
        """Evaluate a checkpoint, without training."""
        phase = self._manifest.phases[-1]
        job = job_of(self._manifest, phase, checkpoint)
        async with self._manifest.runtime.open(job, self._run_dir / "workers") as workers:
            self._progress.version = checkpoint.step
            await workers.trainer.publish(checkpoint.step)
            return await self._made(phase, workers).measure()

    def listen(self) -> None:
        """Take SIGINT and SIGTERM as a wish to stop."""
        task = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._interrupt, task)

    async def _phase(self, number: int, checkpoint: Checkpoint | None) -> Checkpoint | None:
        if self._interrupted:
            raise ClosedError
        phase = self._manifest.phases[number]
        job = job_of(self._manifest, phase, checkpoint)
        async with self._manifest.runtime.open(job, self._run_dir / "workers") as workers:
            if checkpoint is not None and self._progress.updates:
                await workers.trainer.load(str(checkpoint.path), self._progress.version)
            else:
                await workers.trainer.publish(self._progress.version)
            self._pipeline = self._made(phase, workers)
            try:
                await self._work(self._pipeline, workers.trainer, number)
            finally:
                self._pipeline = None
        return self._record.checkpoints.newest()

    async def _work(self, pipeline: Pipeline, trainer: TrainerWorker, number: int) -> None:
        try:
            await pipeline.run(before=not (self._run_dir / EVALUATIONS).exists())
            if number + 1 < len(self._manifest.phases):
                self._progress.enter(number + 1)
        except ClosedError:
            if not self._manifest.deterministic:  # which goes on only from where it would save
                await self._record.save(trainer, self._progress)
            raise
        await self._record.save(trainer, self._progress)

    def _made(self, phase: Phase, workers: Workers) -> Pipeline:
        return Pipeline(self._manifest, phase, workers, self._progress, self._record)

    def _interrupt(self, task: asyncio.Task[None] | None) -> None:
        """End in good order at the first signal, at once at the second."""
        if self._pipeline is not None and not self._interrupted:
            self._pipeline.stop()
        elif task is not None:
            task.cancel()
        self._interrupted = True


def job_of(manifest: Manifest, phase: Phase, checkpoint: Checkpoint | None = None) -> Job:
    """Return what a runtime needs for a phase that begins with the weights of a checkpoint."""
    return Job(
        simulator=manifest.simulator,
        model=manifest.model,
        algorithm=phase.algorithm,
        lanes=manifest.assignment.shards,
        generators=len(manifest.assignment.served),
        placement=manifest.placement,
        slots=_slots(manifest, phase),
        banks=manifest.asynchrony.max_staleness + 2 if manifest.exact_versions else 2,
        seed=manifest.seed,
        max_staleness=manifest.asynchrony.max_staleness,
        weights=None if checkpoint is None else str(checkpoint.path),
    )


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that a user can act on, or else the first that is no group."""
    error: BaseException = group.subgroup(RlvlaError) or group
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def _slots(manifest: Manifest, phase: Phase) -> int:
    """Return how many rows can be held at once.

    Admitted decisions, each perhaps with a final observation of its own; or whole expert
    episodes; and of every lane the present observation, the next one and one to spare, and
    all of its episode if that may have to be repeated.
    """
    lanes = manifest.simulator.lanes + manifest.evaluating.lanes
    spec = manifest.simulator.spec
    chunk = manifest.model.decision_fields(spec)["action"].shape[0]
    episode = -(-spec.max_steps // chunk)
    # episodes of groups hold no final observations
    each = 2 if phase.algorithm.grouping is None else episode
    admitted = (manifest.asynchrony.max_staleness + 1) * phase.algorithm.batch_size * each
    demonstrated = manifest.simulator.lanes * (spec.max_steps + 1)
    repeated = manifest.simulator.lanes * episode
    return 3 * lanes + max(admitted, demonstrated) + (repeated if manifest.deterministic else 0)
