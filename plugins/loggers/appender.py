"""A file that grows by whole records."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Appender:
    """Appends each record at once and whole, or raises OSError and leaves the file as it was."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def write(self, record: bytes) -> None:
        """Append one record."""
        before = os.fstat(self._file.fileno()).st_size
        try:
            written = self._file.write(record)
            if written != len(record):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._file.name)
        except OSError:
            with suppress(OSError):
                self._file.truncate(before)
            raise

    def flush(self) -> None:
        """Do nothing: no record is held back."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()
