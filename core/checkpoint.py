"""Checkpoints that are whole or not there, whatever kills the run and whenever.

Files are written into a temporary directory; its manifest comes last, then everything is synced
and the directory renamed into place. Nothing is ever changed in place, and a checkpoint is
believed only after every byte of it was verified. Files are data: nothing here executes them.
"""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from rlvla.core.errors import NoValidCheckpointError
from rlvla.core.seal import BrokenSealError, seal, sync_directory, unseal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = re.compile(r"step-(\d{9,18})(?:\.(\d{1,9}))?")
"""Step, and how often that step was committed again."""


@dataclass(frozen=True)
class Checkpoint:
    """A committed checkpoint whose every file was verified."""

    path: Path
    step: int
    info: Mapping[str, object]
    """What `commit` was given, as JSON gives it back."""


class Checkpoints:
    """The checkpoints of a run, in the folder `root`; one process writes, any may read."""

    def __init__(self, root: Path, *, keep: int) -> None:
        if keep < 1:
            raise ValueError(f"keep must be at least 1, got {keep}")
        self.root = root
        self.keep = keep

    def sweep(self) -> None:
        """Remove what a killed run left half written or half removed; hold the run's lock."""
        for pattern in (".tmp-*", ".del-*"):
            for left in self.root.glob(pattern):
                shutil.rmtree(left)

    def begin(self) -> Path:
        """Return a new empty directory to write a checkpoint's files into, for `commit`."""
        directory = self.root / f".tmp-{uuid4().hex}"
        directory.mkdir(parents=True)
        return directory

    def discard(self, directory: Path) -> None:
        """Remove a directory from `begin` that will not be committed."""
        shutil.rmtree(directory, ignore_errors=True)

    def commit(self, directory: Path, *, step: int, info: Mapping[str, object]) -> Path:
        """Make `directory` the checkpoint of `step`, remove old ones and return its new path.

        A step may be committed again: the new one takes the place of the old. Checkpoints of
        later steps are removed, they belong to a course of training that was abandoned.
        If the disk is full or fails, OSError tells what was needed and `directory` is removed;
        ValueError and TypeError if the files or `info` cannot be stored. Either way all earlier
        checkpoints stay as they are.
        """
        if step < 0:
            raise ValueError(f"step must be at least 0, got {step}")
        try:
            seal(directory, step=step, info=info)
            path = directory.rename(self._free_name(step))
        except OSError as error:
            explained = OSError(error.errno, self._explain(error, directory, step))
            self.discard(directory)
            raise explained from error
        except BaseException:
            self.discard(directory)
            raise
        sync_directory(self.root)
        self._prune(path)
        return path

    def newest(self) -> Checkpoint | None:
        """Return the newest valid checkpoint; None only if there is none, valid or not.

        Raises NoValidCheckpointError, naming each one and its fault, if none of them is valid.
        """
        rejected: list[str] = []
        for path in reversed(self._committed()):
            try:
                return _open(path)
            except (BrokenSealError, OSError) as error:
                rejected.append(f"{path.name}: {error}")
        if rejected:
            raise NoValidCheckpointError(
                f"none of the checkpoints in {self.root} is valid ({'; '.join(rejected)}); "
                "restore one from a copy, or remove them all to start anew"
            )
        return None

    def _committed(self) -> list[Path]:
        """Return what claims to be a checkpoint, oldest first."""
        return sorted(self.root.glob("step-*"), key=_order)

    def _free_name(self, step: int) -> Path:
        # A directory cannot be replaced atomically, so a repeated step gets a name after the old.
        taken = [_order(path)[1] for path in self._committed() if _order(path)[0] == step]
        suffix = f".{max(taken) + 1}" if taken else ""
        return self.root / f"step-{step:09d}{suffix}"

    def _prune(self, newest: Path) -> None:
        order = _order(newest)
        all_of = {path: _order(path) for path in self._committed()}
        latest = {step: path for path, (step, _) in all_of.items() if all_of[path] <= order}
        kept = set(list(latest.values())[-self.keep :])
        for path in all_of.keys() - kept:
            self._remove(path)

    def _remove(self, path: Path) -> None:
        # What cannot be removed now is in nobody's way and swept when the run starts again.
        with suppress(OSError):
            doomed = path.rename(self.root / f".del-{uuid4().hex}")
            shutil.rmtree(doomed)

    def _explain(self, error: OSError, directory: Path, step: int) -> str:
        need, free = "?", "?"
        with suppress(OSError):
            need = _megabytes(sum(path.lstat().st_size for path in directory.iterdir()))
            free = _megabytes(shutil.disk_usage(self.root).free)
        return (
            f"checkpoint of step {step} could not be written to {self.root}: {error.strerror} "
            f"(it needs {need}, {free} are free); earlier checkpoints are intact"
        )


def _order(path: Path) -> tuple[int, int]:
    """Return step and repetition; names of no known form come first."""
    match = NAME.fullmatch(path.name)
    return (int(match[1]), int(match[2] or 0)) if match else (-1, 0)


def _open(path: Path) -> Checkpoint:
    if not NAME.fullmatch(path.name):
        raise BrokenSealError("its name is not one of a checkpoint")
    if path.is_symlink() or not path.is_dir():
        raise BrokenSealError("it is not a directory")
    step, info = unseal(path)
    if step != _order(path)[0]:
        raise BrokenSealError(f"it was made at step {step}")
    return Checkpoint(path, step, info)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
