"""What holds for whatever is registered, so that a new simulator is covered without a word here."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from toys.registered import SetUp, usual

import rlvla
from rlvla.core.component import describe
from rlvla.core.testing import check_starts

ROOT = Path(__file__).parents[3]
STARTS = 4
CHECK = f"""
import json, sys
from rlvla.core.component import construct
from rlvla.core.testing import check_starts
check_starts(construct(json.loads(sys.argv[1])), starts={STARTS})
"""


@pytest.mark.parametrize("set_up", usual(), ids=str)
def test_no_training_start_is_one_of_those_that_success_is_measured_on(set_up: SetUp) -> None:
    simulator = set_up.simulator
    if not hasattr(simulator, "pins"):
        check_starts(simulator, starts=STARTS)
        return
    done = subprocess.run(
        [_python(set_up.name), "-c", CHECK, json.dumps(describe(simulator))],
        env={**os.environ, "PYTHONPATH": str(Path(rlvla.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def _python(name: str) -> Path:
    """Return the interpreter of a simulator with pins of its own."""
    variable = f"RLVLA_{name.upper()}"
    folder = Path(os.environ.get(variable, ROOT / f".venv-{name}"))
    if not (folder / "bin" / "python").exists():
        pytest.skip(f"no environment for {name} at {folder}: `rlvla sim install`, set {variable}")
    return folder / "bin" / "python"
