from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Call = Callable[..., tuple[object, str, str]]

MANIFEST = """
rlvla: 1
name: quick
simulator: {type: latency, lanes: 4, max_steps: 5, step_latency: {mean_ms: 5}}
model: {type: latency, generator: {base_ms: 5}, trainer: {per_sample_ms: 0.5}}
algorithm: {type: ppo, batch_size: 16, micro_batch_size: 4}
async: {segment: 4}
schedulers: {sharding: {type: even, shards: 4}}
budget: {updates: 1000}
"""


@pytest.fixture(name="bench")
def _bench(call: Call, tmp_path: Path) -> Call:
    """Run `rlvla bench` on a manifest that takes milliseconds an update."""
    (tmp_path / "quick.yaml").write_text(MANIFEST)
    return partial(call, "bench", "quick.yaml")


def test_schedules_run_in_turn_and_are_compared(bench: Call, tmp_path: Path) -> None:
    chosen = "vectorised,pipelined k=2,fully async"
    short = ("--repeats", "2", "--updates", "3", "--warmup", "1", "-s", "runtime.type=inline")
    code, out, err = bench("--schedules", chosen, *short, "--output", "here")
    assert code == 0, err
    assert [line.split(": ")[0] for line in err.splitlines()] == [
        f"{repeat}/2 {name}" for repeat in (1, 2) for name in chosen.split(",")
    ]
    assert "fully async" in out
    lines = json.loads((tmp_path / "here/bench.json").read_text())
    assert [line["schedule"] for line in lines] == chosen.split(",")
    for line in lines:
        assert line["busy"].keys() == {"simulator", "generator", "trainer", "cores"}
        assert 0 < line["bound_share"]["low"] <= line["bound_share"]["high"] <= 1
    assert lines[0]["speedup"] == {"middle": 1.0, "low": 1.0, "high": 1.0}
    assert lines[0]["staleness"] == 0
    assert (tmp_path / "here/bench.svg").read_text().startswith("<svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "quick.yaml"]


def test_an_unknown_schedule_is_one_clear_error(
    bench: Call,
) -> None:
    code, _, err = bench("--schedules", "vectorized")
    assert (code, err) == (2, "--schedules: no schedule 'vectorized', did you mean 'vectorised'?\n")
