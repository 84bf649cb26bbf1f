"""The packages of the extra `serve`, which rlvla does without until somebody serves."""

from __future__ import annotations

import importlib
from typing import Any

from rlvla.core.errors import PreflightError


def needed(name: str) -> Any:  # noqa: ANN401 - a module
    """Import a package of the extra; raise PreflightError, which says how to get it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise PreflightError(
            f"serving needs the package {name!r}; pip install 'rlvla[serve]'"
        ) from error
