"""A world model of a small tabletop, from few episodes and after little learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from toys.plugin import toy_plugins

from rlvla.core.manifest import load
from rlvla.plugins.world_model.making import make, record

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.settings import Manifest
    from rlvla.plugins.world_model.recording import Episode

SIZE = 24
TEXT = f"""
rlvla: 1
name: small
simulator: {{type: tabletop, size: {SIZE}, lanes: 3, reward: shaped}}
model: {{type: cnn}}
algorithm: {{type: ppo}}
budget: {{updates: 1}}
"""


@pytest.fixture(scope="session", name="manifest")
def _manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    path = tmp_path_factory.mktemp("small") / "small.yaml"
    path.write_text(TEXT)
    return load(path, toy_plugins().components)


@pytest.fixture(scope="session", name="episodes")
def _episodes(manifest: Manifest) -> list[Episode]:
    return record(manifest, 40)


@pytest.fixture(scope="session", name="folder")
def _folder(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a world model."""
    folder = tmp_path_factory.mktemp("worlds") / "small"
    make(manifest, folder, episodes=20, updates=5, tell=lambda _: None)
    return folder
