"""The folder of a run: who owns it, what it was made with and how it ended."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import socket
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvla.core.errors import PreflightError

if TYPE_CHECKING:
    from collections.abc import Generator

    from rlvla.core.success import Tally

LOCK = "lock"
EXIT = "exit.json"
VERSIONS = "versions.json"
EVALUATIONS = "evaluations.json"
PACES = "paces.json"

DISTRIBUTIONS = ("rlvla", "torch", "numpy", "mujoco", "transformers", "peft", "safetensors")
"""Whose versions decide what a run computes."""


def claim(wanted: Path) -> Path:
    """Make the folder of a new run and return it: `wanted`, or `wanted-2`, `-3`, … if taken.

    An empty folder is not taken. Raises PreflightError if the folder cannot be made.
    """
    try:
        path = next(path for path in _candidates(wanted) if _is_free(path))
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PreflightError(
            f"the run folder {wanted} cannot be made: {error.strerror}; choose another output_dir"
        ) from error
    return path


def _is_free(path: Path) -> bool:
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


@contextmanager
def locked(run_dir: Path) -> Generator[None]:
    """Own the folder until the block ends; a killed process frees it at once.

    Raises PreflightError, naming the owner, if another process owns it.
    """
    try:
        descriptor = os.open(run_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise PreflightError(f"{run_dir} cannot be locked: {error.strerror}") from error
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PreflightError(f"{run_dir} is in use by {_owner(file.read())}") from None
        file.truncate(0)
        json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}, file)
        file.flush()
        yield


def write_json(path: Path, content: object) -> None:
    """Replace `path` as a whole by `content`."""
    whole = path.with_name(f".{path.name}.tmp")
    with whole.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    whole.replace(path)


def write_exit(run_dir: Path, *, code: int, message: str) -> None:
    """Record how the run ended: the exit code and one sentence."""
    write_json(run_dir / EXIT, {"code": code, "message": message, "at": _now()})


def write_versions(run_dir: Path, *, seed: int, threads: int) -> None:
    """Record what the numbers of the run depend on beside its manifest; imports none of it.

    `threads` is how many the trainer computes with.
    """
    content = {
        "seed": seed,
        "threads": threads,
        "python": platform.python_version(),
        **versions(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "host": socket.gethostname(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "started": _now(),
    }
    write_json(run_dir / VERSIONS, content)


def versions() -> dict[str, str | None]:
    """Return the versions of `DISTRIBUTIONS`, None for what is not installed."""
    return {name: _version(name) for name in DISTRIBUTIONS}


def record_evaluation(run_dir: Path, *, moment: str, tally: Tally) -> None:
    """Add an evaluation; one of the same moment (before, during, after) and version is replaced."""
    path = run_dir / EVALUATIONS
    records: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    record = {"moment": moment, **tally.to_json()}
    key = (moment, tally.version)
    others = [one for one in records if (one["moment"], one["version"]) != key]
    write_json(path, [*others, record])


def _candidates(wanted: Path) -> Generator[Path]:
    yield wanted
    for number in count(2):
        yield wanted.with_name(f"{wanted.name}-{number}")


def _owner(text: str) -> str:
    try:
        owner = json.loads(text)
        return f"process {owner['pid']} on {owner['host']} since {owner['since']}; wait or stop it"
    except (ValueError, KeyError, TypeError):  # it has locked the file but not signed it yet
        return "another process that just started; wait or stop it"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
