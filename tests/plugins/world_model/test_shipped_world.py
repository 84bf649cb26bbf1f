"""The world model that ships, and the manifest that trains inside it."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from toys.plugin import toy_plugins

from rlvla.core.manifest import load
from rlvla.plugins.world_model.description import read
from rlvla.plugins.world_model.making import errors_of
from rlvla.plugins.world_model.network import load as load_network
from rlvla.plugins.world_model.recording import Recorder
from rlvla.plugins.world_model.transitions import Transitions

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIGS = Path(str(files("rlvla.configs")))
SHIPPED = CONFIGS / "tabletop_world"


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 2_000_000


def test_it_foresees_episodes_that_nobody_recorded() -> None:
    provenance = json.loads((SHIPPED / "provenance.json").read_text())
    manifest = load("quickstart", toy_plugins().components)
    assert provenance["model"]["checkpoint"] == manifest.plain["model"]["checkpoint"]
    policy = manifest.model.build(manifest.simulator.spec, seed=0)
    recorded = Recorder(manifest.simulator, policy, seed=11).record(40)
    description = read(SHIPPED)
    errors = errors_of(load_network(SHIPPED, description), Transitions(recorded, description))
    assert errors["colour"] < 0.1
    assert errors["precision of success"] > 0.7
    assert errors["recall of success"] > 0.7
    told = provenance["held_out"]
    assert errors["proprio"] == pytest.approx(told["proprio"], rel=0.5)


def test_its_manifest_begins_where_the_quick_start_does(
    call: Callable[..., tuple[object, str, str]],
) -> None:
    components = toy_plugins().components
    inside, outside = (load(name, components) for name in ("tabletop_world_model", "quickstart"))
    assert inside.plain["model"]["checkpoint"] == outside.plain["model"]["checkpoint"]
    assert inside.protocol == outside.protocol
    assert call("validate", "tabletop_world_model")[0] == 0
