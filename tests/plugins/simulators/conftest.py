"""Simulators whose packages cannot live beside rlvla's own pins: their interpreters, their tests.

The interpreter is that of the environment `.venv-NAME`, or of the one that RLVLA_NAME names.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import rlvla

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
SKIPPED = pytest.StashKey[list[str]]()
"""What was left out in other interpreters, which pytest's own summary does not know of."""


@pytest.fixture(name="interpreter_of", scope="session")
def find_interpreters() -> Callable[[str], Path]:
    """Return the Python that has what a simulator needs, by its name; skip where there is none."""
    return interpreter_of


def interpreter_of(name: str) -> Path:
    variable = f"RLVLA_{name.upper()}"
    folder = Path(os.environ.get(variable, ROOT / f".venv-{name}"))
    python = folder / "bin" / "python"
    if not python.exists():
        pytest.skip(
            f"{name} is not in {folder}: `make .venv-{name}/ready` makes it, or set {variable}"
        )
    return python


@pytest.fixture(name="run_package_tests")
def make_runner(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Run `test_package.py` beside the test's own file in the interpreter of a simulator.

    Fails as it fails there, and is skipped if all is skipped there.
    """

    def run(name: str) -> None:
        options = ["--noconftest", "-q", "-rs", "-c", os.devnull, "-p", "no:cacheprovider"]
        place = request.path.with_name("test_package.py")
        done = subprocess.run(
            [interpreter_of(name), "-m", "pytest", *options, place],
            env={**os.environ, "PYTHONPATH": str(Path(rlvla.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=False,
        )
        skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
        if done.returncode in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED} and skipped:
            if " passed" not in done.stdout:
                pytest.skip("; ".join(line.removeprefix("SKIPPED ") for line in skipped))
            request.config.stash.setdefault(SKIPPED, []).extend(skipped)
        assert done.returncode == pytest.ExitCode.OK, done.stdout[-8000:] + done.stderr[-2000:]

    return run


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show what was skipped in other interpreters, too, where `-rs` asks for it."""
    skipped = config.stash.get(SKIPPED, list[str]())
    if skipped and terminalreporter.hasopt("skipped"):
        terminalreporter.section("skipped in other interpreters")
        for line in skipped:
            terminalreporter.line(line)
