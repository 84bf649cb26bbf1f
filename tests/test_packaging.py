from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINKED = ("core", "plugins", "configs")
OURS = ("__init__.py", "__main__.py", "cli.py", "py.typed")


@pytest.fixture(scope="module", name="wheel")
def _wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build the wheel from a copy, because building writes beside the sources; return its files."""
    copy = tmp_path_factory.mktemp("sources")
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in (*LINKED, "src"):
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=unwanted)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    built = subprocess.run(
        [*pip, "--no-index", "--wheel-dir", str(copy / "dist"), str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next((copy / "dist").glob("*.whl"))) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


@pytest.mark.parametrize("name", LINKED)
def test_the_package_links_to_the_folders_at_the_root(name: str) -> None:
    link = ROOT / "src" / "rlvla" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..", "..", name)
    assert link.resolve() == ROOT / name


def test_the_wheel_holds_rlvla_and_nothing_else(wheel: set[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"rlvla"}
    assert len(tops) == 2


def test_the_wheel_holds_every_file_of_the_folders(wheel: set[str]) -> None:
    expected = {f"rlvla/{path.relative_to(ROOT).as_posix()}" for path in _files(*LINKED)}
    assert {name for name in wheel if name.startswith(_inside(LINKED))} == expected


def test_the_wheel_holds_the_command_line_and_its_types(wheel: set[str]) -> None:
    commands = {
        f"rlvla/commands/{path.name}" for path in (ROOT / "src/rlvla/commands").glob("*.py")
    }
    others = {name for name in wheel if name.startswith("rlvla/")}
    others = {name for name in others if not name.startswith(_inside(LINKED))}
    assert others == commands | {f"rlvla/{name}" for name in OURS}


def test_the_wheel_holds_the_license_and_the_entry_point(wheel: set[str]) -> None:
    names = {name.partition("/")[2] for name in wheel if ".dist-info/" in name}
    assert {"licenses/LICENSE", "entry_points.txt"} <= names


def test_every_required_distribution_is_pinned_once() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = [_normal(line.partition("==")[0]) for line in lines if not line.startswith("#")]
    assert len(pinned) == len({*pinned})
    assert {*_required()} <= {*pinned}


def test_the_python_versions_agree() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = _setup()["options"]["python_requires"].removeprefix(">=")
    assert settings["tool"]["ruff"]["target-version"] == f"py{wanted.replace('.', '')}"


def _files(*folders: str) -> list[Path]:
    return [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]


def _inside(folders: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"rlvla/{folder}/" for folder in folders)


def _setup() -> ConfigParser:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup


def _required() -> list[str]:
    setup = _setup()
    extras = setup["options.extras_require"]
    lists = [setup["options"]["install_requires"], extras["test"], extras["dev"]]
    lines = [line for text in lists for line in text.split("\n") if line.strip()]
    return [_normal(line.partition(">=")[0].partition("[")[0]) for line in lines]


def _normal(name: str) -> str:
    return name.strip().lower().replace("_", "-")
