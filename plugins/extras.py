"""The packages of extras, which rlvla does without until somebody asks for what needs them."""

from __future__ import annotations

import importlib
from typing import Any

from rlvla.core.errors import PreflightError


def needed(module: str, *, extra: str) -> Any:  # noqa: ANN401 - a module
    """Import a module of an extra; raise PreflightError, which says how to get it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        raise PreflightError(
            f"this needs the package {package!r}; pip install 'rlvla[{extra}]'"
        ) from error
