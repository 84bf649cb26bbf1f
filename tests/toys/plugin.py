"""The plugin that registers the toys, and a manifest that names them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rlvla.core.hooks import hookimpl
from rlvla.core.manifest import load
from rlvla.core.plugins import Plugins
from rlvla.plugins import BUILTIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.registry import Components
    from rlvla.core.settings import Manifest

TEXT = """
rlvla: 1
name: toy
seed: 4
simulator: {type: line, lanes: 4}
model: {type: tiny}
algorithm: {type: ppo, batch_size: 32, micro_batch_size: 8, lr: 0.3, gamma: 0.8}
async: {segment: 4}
schedulers:
  batching: {type: dynamic, max_batch: 6, max_wait_ms: 1}
  sharding: {type: even, shards: 2}
budget: {updates: 3}
eval: {episodes: 6, during: 4, lanes: 2, videos: 0}
checkpoint: {every: 1000}
runtime: {type: inline}
log: [{type: jsonl}]
"""


@hookimpl
def register(components: Components) -> None:
    components.simulators.add("line", "toys.line:Line")
    components.simulators.add("hesitant", "toys.hesitant:Hesitant")
    components.simulators.add("prepared", "toys.prepared:Prepared")
    components.models.add("tiny", "toys.tiny:Tiny")
    components.recordings.add("tape", "toys.tape:Tape")


def toy_plugins() -> Plugins:
    """Return the built-in plugins and the toys."""
    plugins = Plugins()
    plugins.load_builtin([*BUILTIN, "toys.plugin"])
    assert [plugin.error for plugin in plugins if plugin.error] == []
    return plugins


def write_toy_manifest(folder: Path) -> Path:
    """Write the manifest of a toy run into `folder`; it runs into `folder/run`."""
    path = folder / "toy.yaml"
    path.write_text(f"{TEXT}output_dir: {folder / 'run'}\n")
    return path


def toy_manifest(folder: Path, *overrides: str, plugins: Plugins | None = None) -> Manifest:
    """Return the toy manifest with `key.path=value` overrides."""
    components = (plugins or toy_plugins()).components
    return load(write_toy_manifest(folder), components, overrides=overrides)


def installed_environment(folder: Path) -> Mapping[str, str]:
    """Return an environment in which `rlvla` finds the toys as an installed plugin."""
    distribution = folder / "site" / "rlvla_toys-1.0.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: rlvla-toys\nVersion: 1\n")
    (distribution / "entry_points.txt").write_text("[rlvla]\ntoys = toys.plugin\n")
    here = Path(__file__).parents[1]
    paths = [str(here), str(distribution.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
