"""What a run leaves behind: metrics, evaluations, videos and checkpoints."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from rlvla.core import chrome, history
from rlvla.core.checkpoint import Checkpoints
from rlvla.core.errors import TrainingError
from rlvla.core.progress import Progress
from rlvla.core.run_dir import PACES, record_evaluation, write_json
from rlvla.core.trace import Tracer
from rlvla.core.video import write_video

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rlvla.core.checkpoint import Checkpoint
    from rlvla.core.evaluation import Evaluation
    from rlvla.core.paces import Paces
    from rlvla.core.plugins import Plugins
    from rlvla.core.settings import Manifest
    from rlvla.core.workers import TrainerWorker

MANIFEST = "manifest.resolved.yaml"


class Record:
    """Writes the folder of a run and tells loggers and plugins."""

    def __init__(self, run_dir: Path, manifest: Manifest, plugins: Plugins) -> None:
        self.checkpoints = Checkpoints(run_dir / "checkpoints", keep=manifest.checkpointing.keep)
        self._run_dir = run_dir
        self._manifest = manifest
        self._plugins = plugins
        self.tracer = Tracer() if manifest.trace else None
        self._lost_rows = 0
        self._measured: dict[str, float] = {}

    def start(self) -> None:
        """Clear away what a killed run left half done, and begin to log."""
        self.checkpoints.sweep()
        for logger in self._manifest.loggers:
            logger.start(str(self._run_dir), self._manifest.plain)

    def resume(self, checkpoint: Checkpoint | None) -> Progress:
        """Return the progress at a checkpoint, if any, and forget what was logged after it.

        Comes before `start`, as the loggers append to the history that is left.
        """
        progress = Progress() if checkpoint is None else Progress.from_json(checkpoint.info)
        history.truncate(self._run_dir / history.HISTORY, progress.version)
        return progress

    def row(self, row: Mapping[str, float], progress: Progress) -> None:
        """Log the metrics of an update; a full disk costs rows, not the run."""
        phase = self._manifest.phases[progress.phase].name
        whole: dict[str, float | int | str] = {
            "step": progress.version,
            "phase": phase,
            **row,
            **self._measured,
        }
        self._measured = {}
        if self._lost_rows:
            whole["log/lost_rows"] = self._lost_rows
        for logger in self._manifest.loggers:
            try:
                logger.log(whole)
            except OSError:
                self._lost_rows += 1
        self._plugins.hook.log(step=progress.version, row=whole)

    def evaluated(self, moment: str, evaluation: Evaluation) -> None:
        """Keep an evaluation and its videos; its numbers join the next row."""
        tally = evaluation.tally
        record_evaluation(self._run_dir, moment=moment, tally=tally)
        low, high = tally.interval
        self._measured |= {
            "eval/success_rate": tally.rate,
            "eval/success_rate_low": low,
            "eval/success_rate_high": high,
            "eval/episodes": tally.episodes,
            "eval/episode_steps": tally.mean_steps,
        }
        videos = self._run_dir / "videos"
        videos.mkdir(exist_ok=True)
        hz = self._manifest.simulator.spec.control_hz
        for name, frames in evaluation.videos.items():
            write_video(frames, videos / f"{moment}-{tally.version:06}-{name}", fps=hz)

    def paced(self, paces: Paces) -> None:
        """Keep how fast each lane was in the latest phase."""
        with suppress(OSError):  # a full disk costs figures, not the run
            write_json(self._run_dir / PACES, paces.table())

    async def save(self, trainer: TrainerWorker, progress: Progress) -> None:
        """Make a checkpoint of the trainer and of how far the run has come.

        Hashing and syncing it happens beside the event loop, which other lanes wait for.
        """
        step, info = progress.version, progress.to_json()
        try:
            directory = self.checkpoints.begin()
            await trainer.save(str(directory))
            await asyncio.to_thread(self.checkpoints.commit, directory, step=step, info=info)
        except OSError as error:
            raise TrainingError(f"no checkpoint could be written: {error}") from error

    def close(self) -> None:
        """End the logs and write the trace, if there is one."""
        if self.tracer is not None:
            chrome.save(self.tracer.spans(), self._run_dir)
        for logger in self._manifest.loggers:
            logger.close()
