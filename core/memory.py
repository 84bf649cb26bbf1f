"""Anonymous memory that processes share through an inherited file descriptor."""

from __future__ import annotations

import mmap
import os

from rlvla.core.errors import PreflightError


class SharedMemory:
    """A memfd: it has no name, so nothing is left behind whatever ends the processes."""

    def __init__(self, size: int, name: str) -> None:
        self.fd = os.memfd_create(f"rlvla-{name}")
        self.size = size
        try:
            os.ftruncate(self.fd, size)
        except OSError as error:
            os.close(self.fd)
            raise PreflightError(f"no {size >> 20} MiB of memory for {name}: {error}") from error

    def map(self) -> mmap.mmap:
        """Map the whole of it."""
        return map_shared(self.fd)

    def close(self) -> None:
        """Give up the descriptor; mappings stay until they are garbage."""
        os.close(self.fd)


def map_shared(fd: int) -> mmap.mmap:
    """Map the whole of an inherited memfd."""
    return mmap.mmap(fd, os.fstat(fd).st_size)
