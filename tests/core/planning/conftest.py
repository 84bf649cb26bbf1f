"""A manifest whose components say how long they take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from toys.planned import TEXT

from rlvla.core.manifest import load
from rlvla.core.plugins import Plugins
from rlvla.plugins import BUILTIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rlvla.core.registry import Components
    from rlvla.core.settings import Manifest


@pytest.fixture
def components() -> Components:
    plugins = Plugins()
    plugins.load_builtin(BUILTIN)
    return plugins.components


@pytest.fixture
def manifest(tmp_path: Path, components: Components) -> Callable[..., Manifest]:
    """Load the manifest with these overrides."""
    path = tmp_path / "planned.yaml"
    path.write_text(TEXT)

    def make(*overrides: str) -> Manifest:
        return load(path, components, overrides=overrides)

    return make
