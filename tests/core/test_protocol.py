from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from toys.plugin import toy_manifest, toy_plugins

from rlvla.core.errors import ManifestError
from rlvla.core.protocol import EvaluationProtocol
from rlvla.core.run import evaluate_run, run_manifest

if TYPE_CHECKING:
    from pathlib import Path

LONG = EvaluationProtocol(name="long@v1", tasks=("a", "b"), episodes=50, max_steps=520)


def test_it_has_so_many_episodes_of_each_task() -> None:
    assert LONG.total == 100


def test_only_the_whole_bears_its_name() -> None:
    assert LONG.first(50) is LONG
    part = LONG.first(5)
    assert (part.name, part.total) == ("long@v1, first 5 of each task", 10)
    with pytest.raises(ValueError, match="episodes: long@v1 has 50 per task, 51 are asked for"):
        LONG.first(51)


@pytest.mark.parametrize(
    ("tasks", "episodes", "told"),
    [
        ((), 5, "tasks must name each task once"),
        (("a", "a"), 5, "tasks must name each task once"),
        (("a",), 0, "episodes must be at least 1, got 0"),
    ],
)
def test_impossible_ones_are_refused(tasks: tuple[str, ...], episodes: int, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        EvaluationProtocol(name="x@v1", tasks=tasks, episodes=episodes, max_steps=5)


def test_a_run_is_measured_by_the_protocol_that_it_names(tmp_path: Path) -> None:
    plugins = toy_plugins()
    named = "eval={protocol: line@v1, every: 1, during: 2, lanes: 2, videos: 0}"
    manifest = toy_manifest(tmp_path, named, plugins=plugins)
    run_dir = run_manifest(manifest, plugins)
    records = json.loads((run_dir / "evaluations.json").read_text())
    measured = {(one["protocol"], one["episodes"]) for one in records}
    assert measured == {("line@v1", 5), ("line@v1, first 2 of each task", 2)}
    tally = evaluate_run(run_dir, manifest, plugins, episodes=None)
    assert (tally.protocol, tally.episodes) == ("line@v1", 5)
    with pytest.raises(ManifestError, match="line@v1 has 5 per task, 9 are asked for"):
        evaluate_run(run_dir, manifest, plugins, episodes=9)


def test_a_protocol_by_which_the_simulator_is_not_measured_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"not measured by 'lime@v1', did you mean 'line@v1'\?"):
        toy_manifest(tmp_path, "eval.protocol=lime@v1")
    with pytest.raises(ManifestError, match=r"eval\.episodes: episodes: line@v1 has 5 per task, 6"):
        toy_manifest(tmp_path, "eval.protocol=line@v1")


def test_without_one_it_is_named_for_its_tasks(tmp_path: Path) -> None:
    manifest = toy_manifest(tmp_path)
    assert (manifest.protocol.name, manifest.protocol.episodes) == ("line/go@v1", 6)
    assert (manifest.glance.name, manifest.glance.episodes) == ("line/go@v1", 4)
