"""What holds for whatever is registered, so that a new simulator is covered without a word here."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from toys.registered import APART, SetUp, usual

import rlvla
from rlvla.core.component import describe
from rlvla.core.testing import check_starts

if TYPE_CHECKING:
    from collections.abc import Callable

STARTS = 4
CHECK = f"""
import json, sys
from rlvla.core.component import construct
from rlvla.core.testing import check_starts
check_starts(construct(json.loads(sys.argv[1])), starts={STARTS})
"""


@pytest.mark.parametrize("set_up", usual(), ids=str)
def test_no_training_start_is_one_of_those_that_success_is_measured_on(
    set_up: SetUp, interpreter_of: Callable[[str], Path]
) -> None:
    simulator = set_up.simulator
    if not hasattr(simulator, "pins") and set_up.name not in APART:
        check_starts(simulator, starts=STARTS)
        return
    done = subprocess.run(
        [interpreter_of(set_up.name), "-c", CHECK, json.dumps(describe(simulator))],
        env={**os.environ, "PYTHONPATH": str(Path(rlvla.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
