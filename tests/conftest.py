"""Lets the tests, and the worker processes that they start, import `toys`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = str(Path(__file__).parent)

sys.path.insert(0, HERE)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (HERE, os.environ.get("PYTHONPATH"))))
os.environ["OMP_NUM_THREADS"] = "1"
