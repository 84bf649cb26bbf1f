"""A new folder: it is there as a whole, or not at all."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rlvla.core.errors import PreflightError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def new_folder(path: Path) -> Generator[None]:
    """Make a folder, and remove it again if the context is left by an exception.

    Raise PreflightError if it is there already or cannot be made.
    """
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        raise PreflightError(f"{path} exists: remove it, or name another folder") from None
    except OSError as error:
        raise PreflightError(f"{path} cannot be made: {error}; name another folder") from error
    try:
        yield
    except BaseException:  # Ctrl-C, too
        shutil.rmtree(path)
        raise
