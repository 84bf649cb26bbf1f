from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rlvla.core.run_dir import EVALUATIONS
from rlvla.plugins.world_model.description import read

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[..., tuple[object, str, str]]

RUN = """
rlvla: 1
name: imagined
simulator:
  type: world_model
  checkpoint: {folder}
  original: {{type: tabletop, size: 24}}
  lanes: 4
model: {{type: cnn}}
algorithm: {{type: ppo, batch_size: 32, micro_batch_size: 32}}
budget: {{updates: 2}}
eval: {{protocol: tabletop/reach@v1, episodes: 3, lanes: 2, videos: 0}}
runtime: {{type: inline}}
log: [{{type: jsonl}}]
output_dir: run
"""


def test_it_makes_a_world_that_tells_how_it_was_made(call: Call) -> None:
    small = ("tabletop_sft", "out/world", "-s", "simulator.size=24", "-s", "model={type: cnn}")
    code, told, heard = call("world", *small, "--episodes", "20", "--updates", "2")
    assert code == 0
    assert "20 episodes recorded: " in heard
    assert "precision of success: " in told
    assert read(Path("out/world")).tasks == ("reach",)
    provenance = json.loads(Path("out/world/provenance.json").read_text())
    assert (provenance["episodes"], provenance["updates"]) == (20, 2)
    code, _, refused = call("world", *small)
    assert code == 4
    assert "out/world exists: remove it, or name another folder" in refused


def test_cameras_that_it_cannot_learn_are_told_before_anything_is_recorded(call: Call) -> None:
    small = ("-s", "simulator.size=30", "-s", "model={type: cnn}")
    code, _, told = call("world", "tabletop_sft", "out", *small)
    assert code == 2
    assert "cameras must be of one size, a multiple of 4" in told
    assert not Path("out").exists()


def test_a_policy_is_trained_inside_and_measured_outside(call: Call, folder: Path) -> None:
    Path("imagined.yaml").write_text(RUN.format(folder=folder))
    code, told, _ = call("run", "imagined.yaml")
    assert code == 0
    assert ", tabletop/reach@v1, first 3 of each task" in told
    evaluations = json.loads(Path("run", EVALUATIONS).read_text())
    assert [one["moment"] for one in evaluations] == ["before", "after"]
    metrics = Path("run/metrics.jsonl").read_text().splitlines()
    assert len(metrics) == 2
