"""The benchmark of that name in short, where such an environment is at hand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "clashing_pins.py"
KILLS = 2


def test_killed_workers_of_a_clashing_environment_lose_nothing_silently() -> None:
    environment = os.environ.get("RLVLA_CLASHING")
    if environment is None:
        pytest.skip(f"RLVLA_CLASHING names no environment with the pins of {BENCHMARK.name}")
    command = [sys.executable, BENCHMARK, "--python", environment, "--kills", str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"there: numpy 1\.\S+, MuJoCo 2\.\S+; here: numpy 2\.", done.stdout)
    assert f"replaced: {{'crash': {KILLS}}}" in done.stdout
    assert "nothing is missing in any of" in done.stdout
