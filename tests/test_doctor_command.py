from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rlvla.commands import machine
from rlvla.plugins.simulators import diagnosis

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[..., tuple[object, str, str]]

OPENGL = [
    f"lib{name}.so{version}"
    for name in ("EGL", "OSMesa", "GL")
    for version in ("", *(f".{number}" for number in range(10)))
]
"""Under what names PyOpenGL looks for libraries."""


@pytest.fixture(name="_no_opengl")
def _hide_opengl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes that are started find libraries that are none."""
    for name in OPENGL:
        (tmp_path / name).touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.setenv("RLVLA_OPENGL", "")
    for display in diagnosis.DISPLAYS:
        monkeypatch.delenv(display, raising=False)


def _environment(folder: Path, command: str) -> None:
    """Make what may be taken for an environment."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{command}\n")
    python.chmod(0o755)


@pytest.mark.usefixtures("_no_opengl")
def test_a_machine_without_opengl_is_told_what_to_install_and_runs_the_quick_start(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    _environment(tmp_path / "rlvla/simulators/libero", "echo >&2 'no such arm'; exit 3")
    _environment(tmp_path / "rlvla/simulators/metaworld", f'exec {sys.executable} "$@"')
    code, out, err = call("doctor")
    assert (code, err) == (0, "")
    for line in (
        r"python     ok  3\.\d+\.\d+ in ",
        r"packages   ok  rlvla 0\.1\.0, torch ",
        r"egl        NO  ended with exit code 1: .*\n +-> apt-get install libegl1 libegl-mesa0 ",
        r"osmesa     NO  ended with exit code 1: .*\n +-> apt-get install libosmesa6\n",
        r"ray        ok  \d+ frames/s of 64 px, by MuJoCo's rays, which `render: auto` takes",
        r"glfw       -   not tried: without a display ",
        r"gymnasium  -   not tried, it has an option without default",
        r"libero     NO  .*/libero/bin/python ended with exit code 3: no such arm",
        r"metaworld  NO  metaworld is not installed here; .*, in .*/simulators/metaworld\n",
        r"tabletop   ok  shows something after \d+\.\d s\n",
    ):
        assert re.search(f"^  {line}", out, re.M), line
    assert out.endswith("\nThe quick-start can run: `rlvla run quickstart`.\n")


@pytest.fixture(name="_broken")
def _install_broken_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "site" / "rlvla_broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rlvla-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rlvla]\nbroken = rlvla_nowhere\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(info.parent)])


@pytest.mark.usefixtures("_broken")
def test_what_stops_the_quick_start_is_told_with_exit_code_4(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").touch()
    for name, text in {"max": "9000000", "current": "8000000", "stat": "inactive_file 5"}.items():
        (tmp_path / f"memory.{name}").write_text(f"{text}\n")
    monkeypatch.setattr(machine, "CONTAINER", tmp_path)
    monkeypatch.setattr(diagnosis, "OURS", {})
    code, out, err = call("doctor", "--json")
    assert code == 4
    assert err == "rlvla: error[4]: the quick-start cannot run: memory, folder, see above\n"
    found: list[dict[str, Any]] = json.loads(out)
    told = {(one["part"], one["name"]): (one["works"], one["told"]) for one in found}
    needed = {name: works for (part, name), (works, _) in told.items() if part == "quick-start"}
    assert needed == {"memory": False, "folder": False, "simulator": True, "model": True}
    memory, folder = (told["quick-start", name][1] for name in ("memory", "folder"))
    assert memory == "1.0 GB needed, 0.0 GB free: end other processes"
    assert folder == f"{tmp_path}/runs cannot be written: work in another folder"
    broken = "rlvla-broken 1.0: No module named 'rlvla_nowhere'"
    assert told["plugins", "broken"] == (False, broken)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("exec sleep 100", "drew nothing within 0.2 s"),
        ("kill -ABRT $$", "ended with exit code -6: no last words"),
    ],
)
def test_a_renderer_that_hangs_or_aborts_is_told(
    command: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _environment(tmp_path, command)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    monkeypatch.setattr(diagnosis, "TIMEOUT_S", 0.2)
    found = {one.name: one for one in diagnosis.diagnose()}
    assert found["egl"].works is False
    assert found["egl"].told == told
    assert found["egl"].advice == "apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri"


@pytest.mark.usefixtures("_no_opengl")
def test_a_run_that_asks_for_opengl_in_vain_ends_before_any_worker_starts(call: Call) -> None:
    code, _, err = call("run", "quickstart", "-s", "simulator.render=egl")
    assert code == 4
    assert err.splitlines()[-1] == (
        "rlvla: error[4]: simulator: render: 'egl' cannot draw on this machine; install OpenGL "
        "(Debian: apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri, or libosmesa6), or use "
        "render: ray"
    )
    assert not [*Path("runs/quickstart/workers").glob("*")]
