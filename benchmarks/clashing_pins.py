"""A simulator whose pins clash with ours trains in one command; its workers are killed 20 times.

    python benchmarks/clashing_pins.py [--python ENVIRONMENT]

Without `--python` it makes an environment of its own with numpy 1 and MuJoCo 2, in which rlvla is
not installed. While `rlvla run` trains there, the simulator worker that has lived longest gets
SIGKILL, again and again. Prints what became of every decision, and fails if one is missing from
any row of the log.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PINS = ("numpy==1.26.4", "mujoco==2.3.7", "gymnasium[mujoco]==1.0.0")
"""What rlvla excludes by its own requirements; for Python 3.10 or 3.11."""
APART = 4
"""Updates between two kills."""
BATCH = 256
MANIFEST = f"""
rlvla: 1
name: clashing-pins
simulator: {{type: gymnasium, env: Reacher-v5, lanes: 8}}
model: {{type: mlp}}
algorithm: {{type: ppo, batch_size: {BATCH}, micro_batch_size: 64}}
schedulers: {{sharding: {{type: even, shards: 2}}}}
eval: {{episodes: 1, lanes: 1, videos: 0}}
log: [{{type: jsonl}}]
"""


def environment(folder: Path) -> Path:
    """Make an environment with the pins, for Python 3.10 if that runs here."""
    older = ["python3.10", "-m", "venv", folder]
    if not shutil.which("python3.10") or subprocess.run(older, check=False).returncode:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    subprocess.run([folder / "bin/python", "-m", "pip", "install", "-q", *PINS], check=True)
    return folder


def told_by(python: Path) -> str:
    """Return the versions that an environment holds."""
    code = "import mujoco, numpy; print(f'numpy {numpy.__version__}, MuJoCo {mujoco.__version__}')"
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def train(folder: Path, python: Path, kills: int) -> tuple[list[dict[str, Any]], list[int]]:
    """Run to the end; return the rows of its log, and the updates made before each kill."""
    manifest, run = folder / "clashing.yaml", folder / "run"
    manifest.write_text(f"{MANIFEST}budget: {{updates: {APART * (kills + 3)}}}\n")
    places = ("-s", f"simulator.python={python}", "-s", f"output_dir={run}")
    training = subprocess.Popen([sys.executable, "-m", "rlvla", "run", str(manifest), *places])
    killed: list[int] = []
    while training.poll() is None:
        made = len(_rows(run))
        if len(killed) < kills and made >= APART * (len(killed) + 1):
            workers = _simulators(training.pid)
            if len(workers) > 1:
                os.kill(min(workers), signal.SIGKILL)
                killed.append(made)
        time.sleep(0.05)  # an update takes longer
    if training.returncode:
        raise SystemExit(f"the run ended with exit code {training.returncode}")
    return _rows(run), killed


def missing(row: Mapping[str, float]) -> float:
    """Return the decisions that a row does not account for."""
    known = row["ledger/trained"] + row["ledger/in_flight"] + sum(_named(row, "dropped_").values())
    return row["ledger/produced"] - known


def _named(row: Mapping[str, float], prefix: str, group: str = "ledger/") -> dict[str, int]:
    start = f"{group}{prefix}"
    return {name[len(start) :]: int(row[name]) for name in row if name.startswith(start)}


def _rows(run: Path) -> list[dict[str, Any]]:
    log = run / "metrics.jsonl"
    lines = log.read_text().split("\n")[:-1] if log.exists() else []
    return [row for row in map(json.loads, lines) if "ledger/produced" in row]


def _simulators(parent: int) -> list[int]:
    """Return the living simulator workers of a run, by where their words go."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in children if _log(child).startswith("simulator")]


def _log(process: str) -> str:
    try:
        return Path(os.readlink(f"/proc/{process}/fd/1")).name
    except OSError:  # it ended meanwhile
        return ""


def report(rows: Sequence[Mapping[str, float]], killed: Sequence[int]) -> None:
    """Print the ledger; fail if it does not balance."""
    last = rows[-1]
    dropped = _named(last, "dropped_")
    reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "none"
    print(f"killed {len(killed)} simulator workers, after updates {[*killed]}")
    print(f"replaced: {_named(last, '', 'replaced/')}")
    print(
        f"produced {last['ledger/produced']} = trained {last['ledger/trained']}"
        f" + in flight {last['ledger/in_flight']} + dropped {sum(dropped.values())} ({reasons})"
    )
    wrong = [row["step"] for row in rows if missing(row)]
    if wrong or last["ledger/trained"] != BATCH * len(rows):
        raise SystemExit(f"decisions are missing after updates {wrong}")
    print(f"nothing is missing in any of {len(rows)} rows")


def main() -> None:
    """Train, kill and account."""
    parser = argparse.ArgumentParser(description="Kill a simulator with pins of its own.")
    parser.add_argument("--python", type=Path, help="an environment; by default one is made")
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        python = arguments.python or environment(folder / "environment")
        here = f"numpy {version('numpy')}, MuJoCo {version('mujoco')}"
        print(f"there: {told_by(python / 'bin/python')}; here: {here}", flush=True)
        began = time.monotonic()
        rows, killed = train(folder, python, arguments.kills)
        print(f"{len(rows)} updates in {time.monotonic() - began:.0f} s")
        report(rows, killed)
        if len(killed) < arguments.kills:
            raise SystemExit(f"the run was over after {len(killed)} of {arguments.kills} kills")


if __name__ == "__main__":
    main()
