from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from toys.plugin import toy_manifest, toy_plugins

from rlvla.core import history
from rlvla.core.component import OptionError, build, options_of
from rlvla.core.errors import PreflightError
from rlvla.core.latency import save
from rlvla.core.run import evaluate_run, job_of, resume_run, run_manifest
from rlvla.core.runtime.virtual.loop import run_virtually
from rlvla.core.runtime.virtual.runtime import Virtual

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.latency import Latencies
    from rlvla.core.plugins import Plugins
    from rlvla.core.runtime.virtual.world import World
    from rlvla.core.settings import Manifest

RUNTIME = """runtime={type: virtual, cells: 2, ending: 0.2, latencies: {step: {mean_ms: 1000},
reset: {mean_ms: 2000}, generator: {base_ms: 100, per_sample_ms: 10},
trainer: {base_ms: 100, per_sample_ms: 10}}}"""


def _manifest(folder: Path, plugins: Plugins, *overrides: str) -> Manifest:
    return toy_manifest(folder, RUNTIME, *overrides, plugins=plugins)


def test_a_whole_run_happens_on_a_virtual_clock(tmp_path: Path) -> None:
    """Hours of it: 400 batches of 32 decisions, on 8 lanes at a second each."""
    plugins = toy_plugins()
    run_dir = run_manifest(_manifest(tmp_path, plugins, "budget.updates=400"), plugins)
    rows = history.read(run_dir / history.HISTORY)
    assert len(rows) == 400
    assert sum(row["time/seconds"] for row in rows) > 400 * 32 / 8
    assert all(row["async/staleness_max"] <= 1 for row in rows)
    assert (run_dir / "report.html").exists()


def test_it_goes_on_from_its_checkpoint_and_is_evaluated(tmp_path: Path) -> None:
    plugins = toy_plugins()
    run_dir = run_manifest(_manifest(tmp_path, plugins, "budget.updates=3"), plugins)
    longer = _manifest(tmp_path, plugins, "budget.updates=5")
    resume_run(run_dir, longer, plugins)
    rows = history.read(run_dir / history.HISTORY)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    tally = evaluate_run(run_dir, longer, plugins, episodes=20)
    assert tally.episodes == 20
    assert tally.version == 5


def test_latencies_may_come_from_a_file_and_from_components_that_only_take_time(
    tmp_path: Path, latencies: Latencies
) -> None:
    save(latencies, tmp_path / "latencies.yaml")
    manifest = toy_manifest(tmp_path)
    job = job_of(manifest, manifest.phases[0])

    async def world(runtime: Virtual) -> World:
        return runtime.world(job)

    given = run_virtually(world(Virtual(latencies=tmp_path / "latencies.yaml")))
    assert given.latencies == latencies
    with pytest.raises(PreflightError, match=r"^runtime\.latencies is needed: Line does not say"):
        run_virtually(world(Virtual()))
    told = """simulator={type: latency, lanes: 4, step_latency: {mean_ms: 1000}}"""
    model = "model={type: latency, generator: {base_ms: 20}, trainer: {base_ms: 7}}"
    manifest = toy_manifest(tmp_path, told, model, "schedulers.batching={type: greedy}")
    job = job_of(manifest, manifest.phases[0])
    heard = run_virtually(world(Virtual())).latencies
    assert heard.step.mean_ms == 1000
    assert (heard.generator.base_ms, heard.trainer.base_ms) == (20, 7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cells": 0}, "cells must be at least 1, got 0"),
        ({"ending": 1.5}, "ending must be between 0 and 1, got 1.5"),
        ({"start_s": -1.0}, "start_s must be at least 0, got -1.0"),
    ],
)
def test_wrong_options_are_refused(
    options: dict[str, float], message: str, latencies: Latencies
) -> None:
    with pytest.raises(OptionError, match=f"^{message}$"):
        build(Virtual, {"latencies": options_of(latencies), **options})
