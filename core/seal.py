"""The seal of a directory: a `MANIFEST.json` by which every later change to it is noticed.

The manifest holds name, size and sha256 of each file, and the sha256 of itself. It is written
last and everything is synced, so a directory with a whole manifest is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import BufferedReader
    from pathlib import Path

SEAL = "MANIFEST.json"
FORMAT = 1
MAX_SEAL_BYTES = 64 << 20
"""Larger manifests are refused unread."""

BARE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""What a sealed file may be called: no separators, no leading dot."""


class BrokenSealError(ValueError):
    """The directory is not what was sealed; the message is a clause saying in what."""


def seal(directory: Path, *, step: int, info: Mapping[str, object]) -> None:
    """Sync every file of `directory` to disk and write its manifest.

    Raises ValueError if the directory holds anything but plain files with bare names, or if
    `info` is not JSON; OSError if the disk is full or fails.
    """
    names = [name for name in _names(directory) if name != SEAL]
    for name in names:
        if not BARE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} in {directory} is not a name that a checkpoint can hold")
    content = {"format": FORMAT, "step": step, "info": dict(info)}
    _render(content)
    content["files"] = {name: _sync(directory / name) for name in names}
    with (directory / SEAL).open("xb") as file:
        file.write(_render(content))
        file.flush()
        os.fsync(file.fileno())
    sync_directory(directory)


def unseal(directory: Path) -> tuple[int, dict[str, object]]:
    """Return step and info of a sealed directory after verifying all of it.

    Raises BrokenSealError if anything is missing, added or changed; OSError if it is unreadable.
    """
    content = _read(directory)
    files: dict[str, dict[str, object]] = content["files"]
    present = {name for name in _names(directory) if name != SEAL}
    for name in sorted(present - files.keys()):
        raise BrokenSealError(f"{name!r} was added")
    for name, expected in files.items():
        if not BARE_NAME.fullmatch(name):
            raise BrokenSealError(f"{SEAL} lists {name!r}, which is not a bare name")
        if name not in present:
            raise BrokenSealError(f"{name} is missing")
        _verify(directory / name, expected)
    return content["step"], content["info"]


def sync_directory(directory: Path) -> None:
    """Make the entries of `directory` survive a power loss."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def _render(content: Mapping[str, object]) -> bytes:
    """Return the only accepted spelling of a manifest, its own sha256 included."""
    body = json.dumps(content, sort_keys=True, allow_nan=False)
    digest = hashlib.sha256(body.encode()).hexdigest()
    text = json.dumps({**content, "sha256": digest}, indent=1, sort_keys=True, allow_nan=False)
    return f"{text}\n".encode()


def _open(path: Path) -> BufferedReader:
    """Open a file that is neither a link nor a device."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise BrokenSealError(f"{path.name} is not a plain file")
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def _sync(path: Path) -> dict[str, object]:
    with _open(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
        return {"size": os.fstat(file.fileno()).st_size, "sha256": digest}


def _read(directory: Path) -> dict[str, Any]:
    """Return the manifest of `directory`, in format and spelling as `seal` wrote it."""
    try:
        with _open(directory / SEAL) as file:
            data = file.read(MAX_SEAL_BYTES)
        content: dict[str, Any] = json.loads(data)
        del content["sha256"]
        if _render(content) == data and _is_manifest(content):
            return content
    except FileNotFoundError:
        raise BrokenSealError(f"{SEAL} is missing") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise BrokenSealError(f"{SEAL} is damaged")


def _is_manifest(content: Mapping[str, Any]) -> bool:
    files = content["files"]
    return (
        content["format"] == FORMAT
        and isinstance(content["step"], int)
        and isinstance(content["info"], dict)
        and all({"size", "sha256"} == set(file) for file in files.values())
    )


def _verify(path: Path, expected: Mapping[str, object]) -> None:
    with _open(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size != expected["size"]:
            raise BrokenSealError(f"{path.name} has {size} bytes, not {expected['size']}")
        if hashlib.file_digest(file, "sha256").hexdigest() != expected["sha256"]:
            raise BrokenSealError(f"the content of {path.name} has changed")
