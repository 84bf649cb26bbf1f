from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from toys.planned import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Call = Callable[..., tuple[object, str, str]]


@pytest.fixture(autouse=True)
def _planned(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Write `planned.yaml` where commands are run, on a narrow screen."""
    del call  # it sets a wider one
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "planned.yaml").write_text(TEXT)


def test_a_plan_is_a_fit_tables_a_plot_and_a_proposal(call: Call) -> None:
    code, out, err = call("plan", "planned.yaml", "--gpus", "1,2")
    assert code == 0, err
    assert [line.split(":")[0] for line in err.splitlines()] == [
        f"{gpus} GPUs, {schedule}" for gpus in (1, 2) for schedule in ("async", "sync")
    ]
    for part in (
        "fits   a batch of 32",
        "over sync",
        "bottleneck",
        "1 async ████",
        "variants of one cell",
        "Latencies: the options of simulator and model.",
    ):
        assert part in out


def test_a_plan_can_be_read_by_scripts(call: Call) -> None:
    code, out, _ = call("plan", "planned.yaml", "--gpus", "2", "--json", "--updates", "2")
    plan = json.loads(out)
    assert code == 0
    assert [one["schedule"] for one in plan["forecasts"]] == ["async", "sync"]
    assert {one["gpus"] for one in plan["forecasts"]} == {2}
    assert all(finding["fits"] for finding in plan["fit"])
    assert plan["recommended"].keys() == {"changes", "before", "after"}


@pytest.mark.parametrize(
    ("gpus", "code", "message"),
    [
        ("8,many", 2, "--gpus: expected numbers by comma, got '8,many'\n"),
        ("0", 2, "--gpus: 0 are not whole cells: the placement of 'planned' takes 1 in each, "),
    ],
)
def test_wrong_sizes_are_one_clear_error(call: Call, gpus: str, code: int, message: str) -> None:
    ended, _, err = call("plan", "planned.yaml", "--gpus", gpus)
    assert ended == code
    assert err.startswith(message)


def test_unknown_latencies_are_one_clear_error(call: Call) -> None:
    code, _, err = call("plan", "quickstart")
    assert code == 4
    assert "--latencies is needed" in err
    assert "rlvla profile quickstart --output latencies.yaml" in err


def test_what_was_profiled_can_be_planned(call: Call) -> None:
    quick = ("-s", "simulator.step_latency={mean_ms: 1}")
    code, out, err = call("profile", "planned.yaml", "--samples", "4", "--repeats", "1", *quick)
    assert code == 0, err
    assert out == (
        "latencies.yaml: plan with `rlvla plan planned.yaml --latencies latencies.yaml`\n"
    )
    for arguments in (
        ("--latencies", "latencies.yaml"),
        ("-s", "runtime={type: virtual, latencies: latencies.yaml}"),
    ):
        code, out, err = call("plan", "planned.yaml", "--gpus", "1", *arguments)
        assert code == 0, err
        assert "Latencies: planned on" in out


def test_latencies_can_stand_in_the_manifest(call: Call) -> None:
    times = "step: {mean_ms: 5}, reset: {}, generator: {base_ms: 1}, trainer: {}, source: here"
    runtime = f"runtime={{type: virtual, latencies: {{{times}}}}}"
    code, out, err = call("plan", "planned.yaml", "--gpus", "1", "-s", runtime)
    assert code == 0, err
    assert "Latencies: here." in out


def test_a_plan_says_what_each_resource_holds_of_the_policy(call: Call) -> None:
    model = ("-s", "model={type: openvla}", "-s", "simulator.cameras=1", "-s", "simulator.size=32")
    times = "step: {mean_ms: 5}, reset: {}, generator: {base_ms: 1}, trainer: {}, source: here"
    timed = ("-s", f"runtime={{type: virtual, latencies: {{{times}}}}}")
    placed = ("-s", "placement.trainer={gpus: [0]}", "-s", "placement.generator={gpus: [1]}")
    arguments = ("plan", "planned.yaml", "--updates", "1", "--json", *model, *timed)
    code, out, err = call(*arguments, "--gpus", "1")
    assert code == 0, err
    told = [one for one in json.loads(out)["fit"] if "parameters trained" in one["text"]]
    assert len(told) == 2
    assert all(one["fits"] for one in told)
    assert [one["text"].split(",")[0] for one in told] == ["full training", "adapters of rank 32"]
    assert all("this machine holds" in one["text"] for one in told)
    code, out, err = call(*arguments, *placed, "--gpus", "2", "--gpu-memory", "0.005")
    assert code == 0, err
    told = [one for one in json.loads(out)["fit"] if "parameters trained" in one["text"]]
    whole = {one["text"].split("holds")[0].rpartition(": ")[2]: one for one in told[:3]}
    assert [*whole] == ["GPU 0 ", "GPU 1 ", "this machine "]
    assert not whole["GPU 0 "]["fits"]  # 4 bytes each of weights, gradients and twice of AdamW's
    assert whole["GPU 1 "]["fits"]
    for part in ("gradients", "optimizer", "copies to compute with", "with checkpointing"):
        assert part in whole["GPU 0 "]["text"]
    assert "decisions remember" in whole["GPU 1 "]["text"]
    assert "2 versions of trained weights" in whole["this machine "]["text"]
