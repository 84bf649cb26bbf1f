from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLE = Path(__file__).parent / "example_plugin"

MANIFEST = """
rlvla: 1
name: dots
simulator: {type: line, lanes: 4}
model: {type: openvla, preset: tiny}
algorithm: {type: ppo, batch_size: 16, micro_batch_size: 8}
async: {segment: 4}
schedulers: {batching: {type: patient, wait_ms: 1}, sharding: {type: even, shards: 2}}
budget: {updates: 2}
eval: {episodes: 4, lanes: 2, videos: 0}
log: [{type: jsonl}]
output_dir: run
"""

BROKEN = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "rlvla-broken"
version = "0.1"
[project.entry-points.rlvla]
broken = "rlvla_broken"
[tool.setuptools]
py-modules = ["rlvla_broken"]
"""


@dataclass(frozen=True)
class Environment:
    """A fresh virtual environment that sees the packages of the one which runs the tests."""

    root: Path

    def python(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the folder of the environment."""
        environment: Mapping[str, str] = {**os.environ, **variables}
        return subprocess.run(
            [str(self.root / "bin" / "python"), *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def rlvla(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return self.python("-m", "rlvla", *arguments, **variables)

    def install(self, project: Path) -> None:
        """Install a project as its author would."""
        pip = ("-m", "pip", "install", "--quiet", "--no-index", "--no-deps")
        done = self.python(*pip, "--no-build-isolation", str(project))
        assert done.returncode == 0, done.stderr

    def plugins(self, **variables: str) -> dict[str, Any]:
        """Return the rows of `plugins list` by name."""
        done = self.rlvla("plugins", "list", "--json", **variables)
        assert done.returncode == 0, done.stderr
        return {row["name"]: row for row in json.loads(done.stdout)}


def _make(root: Path) -> Environment:
    made = [sys.executable, "-m", "venv", "--without-pip", str(root)]
    subprocess.run(made, check=True, capture_output=True)
    packages = next((root / "lib").glob("python*/site-packages"))
    outer = sysconfig.get_path("purelib")  # --system-site-packages would skip a virtual environment
    (packages / "outer.pth").write_text(f"import site; site.addsitedir({outer!r})\n")
    return Environment(root)


def _install_example(environment: Environment) -> None:
    project = environment.root / "example_plugin"  # building writes beside the sources
    shutil.copytree(EXAMPLE, project)
    environment.install(project)


@pytest.fixture(scope="module", name="environment")
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Both plugins are installed, the example and one that cannot be imported."""
    environment = _make(tmp_path_factory.mktemp("environment"))
    _install_example(environment)
    broken = environment.root / "broken"
    broken.mkdir()
    (broken / "pyproject.toml").write_text(BROKEN)
    (broken / "rlvla_broken.py").write_text("raise ImportError('libvulkan is missing')\n")
    environment.install(broken)
    (environment.root / "dots.yaml").write_text(MANIFEST)
    return environment


def test_the_example_registers_in_twelve_lines() -> None:
    source = (EXAMPLE / "rlvla_example" / "__init__.py").read_text()
    assert len(source.splitlines()) <= 12


def test_an_installed_plugin_is_listed_until_it_is_uninstalled(tmp_path: Path) -> None:
    environment = _make(tmp_path / "environment")
    assert "example" not in environment.plugins()
    _install_example(environment)
    row = environment.plugins()["example"]
    assert row["origin"] == "rlvla-example 1.0"
    assert row["provides"] == ["simulator:line", "batching:patient"]
    gone = environment.python("-m", "pip", "uninstall", "--quiet", "--yes", "rlvla-example")
    assert gone.returncode == 0, gone.stderr
    assert "example" not in environment.plugins()


def test_the_example_passes_its_checks(environment: Environment) -> None:
    done = environment.rlvla("plugins", "check", "example")
    assert done.stdout == "simulator:line: ok\nbatching:patient: ok\n", done.stderr
    assert done.returncode == 0


def test_a_run_with_the_example_is_not_disturbed_by_a_broken_plugin(
    environment: Environment,
) -> None:
    done = environment.rlvla("run", "dots.yaml")
    assert done.returncode == 0, done.stderr
    assert "before:" in done.stdout
    assert "after:" in done.stdout
    assert (environment.root / "run" / "report.html").exists()


def test_a_broken_plugin_is_listed_with_its_error(environment: Environment) -> None:
    row = environment.plugins()["broken"]
    assert row["error"] == "ImportError: libvulkan is missing"
    assert row["provides"] == []
    assert environment.plugins()["example"]["error"] is None
    listed = environment.rlvla("plugins", "list").stdout
    assert "broken: ImportError: libvulkan is missing" in listed


def test_a_broken_plugin_is_fatal_to_a_manifest_that_names_it(environment: Environment) -> None:
    done = environment.rlvla("validate", "dots.yaml", "-s", "plugins=[broken]")
    assert done.returncode == 2
    assert "plugin 'broken' failed to load: libvulkan is missing" in done.stderr
    shown = environment.rlvla("plugins", "show", "broken")
    assert shown.returncode == 3
    assert "ImportError: libvulkan is missing" in shown.stderr


def test_plugins_can_be_left_out(environment: Environment) -> None:
    assert {"example", "broken"} & {*environment.plugins(RLVLA_PLUGINS="")} == set()
    assert {"example", "broken"} & {*environment.plugins(RLVLA_PLUGINS="example")} == {"example"}
    done = environment.rlvla("run", "dots.yaml", "--no-plugin", "example")
    assert done.returncode == 2
    assert "dots.yaml:4:" in done.stderr
    assert "no simulator named 'line'" in done.stderr
