"""Runs programs in turn and compares their rates; what both benchmarks share."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HERE = Path(__file__).parent
WARM_UP = 3
"""Updates at the beginning that do not count: processes start and caches fill."""


def rate(progress: Sequence[tuple[float, float]]) -> float:
    """Return decisions per second from (decisions, seconds) after each update."""
    (first, began), (last, ended) = progress[WARM_UP - 1], progress[-1]
    return (last - first) / (ended - began)


def script(name: str, *arguments: str) -> float:
    """Run a script of this folder that prints its progress; return its rate."""
    command = [sys.executable, str(HERE / name), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    return rate([json.loads(line) for line in lines])


def run(manifest: str, **changes: Mapping[str, object]) -> float:
    """Run a manifest of this folder with changed sections; return its rate."""
    plain = yaml.safe_load((HERE / manifest).read_text())
    for section, options in changes.items():
        plain[section] = {**plain[section], **options}
    with TemporaryDirectory() as folder:
        written = Path(folder, "manifest.yaml")
        written.write_text(yaml.safe_dump({**plain, "output_dir": f"{folder}/run"}))
        command = [sys.executable, "-m", "rlvla", "run", str(written)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=dict(os.environ))
        rows = Path(folder, "run", "metrics.jsonl").read_text().splitlines()
    return rate(_progress([json.loads(row) for row in rows]))


def in_turn(rivals: Mapping[str, Callable[[], float]], *, repeats: int) -> dict[str, list[float]]:
    """Return the rates of each, measured one after the other `repeats` times, and print them."""
    rates: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(repeats):
        for name, measure in rivals.items():
            rates[name].append(measure())
    for name, values in rates.items():
        low, high = min(values), max(values)
        print(f"{name:24} {statistics.median(values):8.0f} decisions/s  [{low:.0f}, {high:.0f}]")
    return rates


def ratio(one: Sequence[float], other: Sequence[float]) -> str:
    """Say how much faster `one` is than `other`, by the ratios of neighbouring measurements."""
    ratios = [above / below for above, below in zip(one, other, strict=True)]
    return f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"


def _progress(rows: Sequence[Mapping[str, float]]) -> list[tuple[float, float]]:
    seconds, progress = 0.0, list[tuple[float, float]]()
    for row in rows:
        if "ledger/trained" in row:
            seconds += row["time/seconds"]
            progress.append((row["ledger/trained"], seconds))
    return progress
