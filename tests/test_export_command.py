from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import safetensors.torch
import torch

from rlvla.commands.surroundings import Surroundings
from rlvla.core.agreement import Agreement, distance
from rlvla.core.errors import ManifestError, PreflightError, TrainingError
from rlvla.core.export import export_run
from rlvla.core.run import run_manifest
from rlvla.plugins.models.openvla import OpenVLA
from rlvla.plugins.models.openvla.export import exports_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rlvla.core.interfaces import Exporter
    from rlvla.core.settings import Manifest

FILES: Any = safetensors.torch  # leaves PathLike without its argument
MANIFEST = """
rlvla: 1
name: small
simulator: {{type: tabletop, size: 32, lanes: 2}}
model: {{type: openvla, preset: tiny}}
algorithm: {{type: ppo, batch_size: 8, micro_batch_size: 4, lr: 1e-3}}
async: {{segment: 4}}
budget: {{updates: 1}}
runtime: {{type: inline}}
schedulers: {{sharding: {{type: even, shards: 1}}}}
eval: {{episodes: 2, lanes: 2, videos: 0}}
log: [{{type: jsonl}}]
output_dir: {run}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """A finished run and its manifest."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "small.yaml").write_text(MANIFEST.format(run=folder / "run"))
    surroundings = Surroundings({}, frozenset())
    plugins = surroundings.plugins()
    manifest = surroundings.manifest(folder / "small.yaml", plugins)
    return run_manifest(manifest, plugins), manifest


@dataclass(frozen=True)
class Careless(OpenVLA):
    """Writes another weight than the policy's."""

    @property
    def exports(self) -> Mapping[str, Exporter[Any]]:
        """Return the published layout alone."""
        made = exports_of(self)["openvla"]
        return {"openvla": replace(made, write=partial(_forge, made))}


def _forge(made: Exporter[Any], policy: Any, directory: Path) -> None:  # noqa: ANN401 - of any family
    made.write(policy, directory)
    state = FILES.load_file(directory / "model.safetensors")
    state["projector.fc1.bias"] += 0.01
    FILES.save_file(state, directory / "model.safetensors")


def test_a_run_is_exported_with_card_and_hashes(
    call: Callable[..., tuple[object, str, str]], run: tuple[Path, Manifest]
) -> None:
    run_dir, _ = run
    code, out, err = call("export", str(run_dir), "--to", "openvla")
    assert code == 0, err
    folder = run_dir / "exports" / "openvla"
    told = "openvla, version 1; tensors differ by 0.0e+00, outputs by 0.0e+00 of their scale"
    assert out == f"{folder}: {told}\n"
    card = (folder / "README.md").read_text()
    record = next(
        one
        for one in json.loads((run_dir / "evaluations.json").read_text())
        if one["moment"] == "after"
    )
    low, high = (round(100 * one) for one in record["interval"])
    done = f"success {record['successes']}/2 = {50 * record['successes']} %"
    assert (
        f"| **1, this one** | `tabletop/reach@v1` | {done} (95 % interval {low} to {high})" in card
    )
    assert "| base checkpoint | `none, from the seed` |" in card
    assert "was not evaluated" not in card
    checked = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    listed = set(re.findall(r"^(.*): OK$", checked.stdout, re.MULTILINE))
    assert listed == {one.name for one in folder.iterdir()} - {"SHA256SUMS"}
    code, out, err = call("export", str(run_dir), "--to", "openvla")
    assert (code, out) == (4, "")
    assert err.startswith(f"rlvla: error[4]: {folder} is there already: remove it or")


def test_weights_are_rounded_if_asked_where_the_layout_has_it(
    call: Callable[..., tuple[object, str, str]], run: tuple[Path, Manifest], tmp_path: Path
) -> None:
    run_dir, _ = run
    asked = ("--precision", "bfloat16", "--output", str(tmp_path / "out"))
    code, out, err = call("export", str(run_dir), "--to", "openvla", *asked)
    assert code == 0, err
    assert "tensors differ by 0.0e+00" not in out
    state = FILES.load_file(tmp_path / "out" / "model.safetensors")
    assert {one.dtype for one in state.values()} == {torch.bfloat16}
    assert "| weights | bfloat16 |" in (tmp_path / "out" / "README.md").read_text()
    code, _, err = call("export", str(run_dir), "--to", "merged", *asked)
    assert code == 2
    assert err == "--to merged: this layout has no weights in bfloat16\n"


def test_an_export_holds_what_was_trained(run: tuple[Path, Manifest], tmp_path: Path) -> None:
    run_dir, manifest = run
    made = export_run(run_dir, manifest, to="merged", target=tmp_path / "merged")
    assert made.step == 1
    newest = FILES.load_file(run_dir / "checkpoints" / "step-000000001" / "model.safetensors")
    spec = manifest.simulator.spec
    again = OpenVLA(checkpoint=str(made.path)).build(spec, seed=5).module.state_dict()
    first = manifest.model.build(spec, seed=manifest.seed).module.state_dict()
    assert all(torch.equal(again[name], one) for name, one in newest.items())
    assert any(not torch.equal(first[name], one) for name, one in newest.items())


def test_an_export_that_is_another_policy_is_not_left_behind(
    run: tuple[Path, Manifest], tmp_path: Path
) -> None:
    run_dir, manifest = run
    careless = replace(manifest, model=Careless())
    with pytest.raises(TrainingError, match="what was read back is not the policy: tensors differ"):
        export_run(run_dir, careless, to="openvla", target=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_layout_that_the_model_does_not_have_is_refused(
    call: Callable[..., tuple[object, str, str]], run: tuple[Path, Manifest], tmp_path: Path
) -> None:
    run_dir, manifest = run
    code, out, err = call("export", str(run_dir), "--to", "lerobot")
    assert (code, out) == (2, "")
    expected = "--to lerobot: expected one of merged, openvla for the model of this run\n"
    assert err == expected
    other: Any = object()
    with pytest.raises(ManifestError, match=r"this run's model cannot be exported"):
        export_run(run_dir, replace(manifest, model=other), to="peft", target=tmp_path / "x")


def test_a_run_without_checkpoint_is_refused(run: tuple[Path, Manifest], tmp_path: Path) -> None:
    _, manifest = run
    with pytest.raises(TrainingError, match="holds no checkpoint to export"):
        export_run(tmp_path, manifest, to="merged", target=tmp_path / "out")
    (tmp_path / "there").mkdir()
    with pytest.raises(PreflightError, match="there is there already"):
        export_run(tmp_path, manifest, to="merged", target=tmp_path / "there")


def test_distances_are_on_the_scale_of_what_is_compared() -> None:
    one = torch.tensor([0.0, -100.0])
    assert distance(one, one) == 0
    assert distance(one, one + torch.tensor([0.5, 0.0])) == pytest.approx(0.005)
    assert distance(one, one[:1]) == float("inf")
    assert distance(0 * one, 0 * one) == 0
    assert distance(0 * one, one) == float("inf")
    broken = distance(one, one * float("nan"))
    assert not Agreement(tensors=broken, outputs=0.0).holds
    assert not Agreement(tensors=0.0, outputs=broken).holds
    assert Agreement(tensors=1e-5, outputs=1e-5).holds
