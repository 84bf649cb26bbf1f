"""The quick-start in short, with everything real: whatever happens, its weights end the same.

`python -m pytest tests/test_one_hash.py --all-troubles -s` makes all sixteen deterministic runs,
one with each combination of troubles, and prints the hash of each.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from contextlib import nullcontext
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from toys.plugin import installed_environment
from toys.trouble import killing_simulators, signalling

from rlvla.core import history

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

UPDATES, BATCH = 8, 128
SHORT = (
    "deterministic=true",
    f"budget={{updates: {UPDATES}}}",
    f"algorithm.batch_size={BATCH}",
    "algorithm.micro_batch_size=32",
    "eval={episodes: 4, lanes: 2, videos: 0}",
    "checkpoint.every=3",
    "log=[{type: jsonl}]",
)
SYNCHRONOUS = ("async.rollout=false", "async.stream=false", "async.max_staleness=0")
ASYNCHRONOUS = ("async.rollout=true", "async.stream=true", "async.max_staleness=0")
DELAYS, KILLS, STOPS, RECYCLES = 1, 2, 4, 8
TROUBLES = {DELAYS: "delays", KILLS: "kills", STOPS: "stop and resume", RECYCLES: "recycling"}
"""Bits of the number of a run, and what happens to it."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "troubles" in metafunc.fixturenames:
        everything = metafunc.config.getoption("all_troubles")
        metafunc.parametrize("troubles", range(1, 16) if everything else [15])


def run(folder: Path, *overrides: str, troubles: int = 0) -> str:
    """Run the quick-start in short as a command; return the hash of its last weights."""
    environment, run_dir = installed_environment(folder), folder / "run"
    dice = random.Random(troubles)
    options = [*SHORT, *overrides, f"output_dir={run_dir}"]
    if troubles & DELAYS:
        options.append("simulator.type=hesitant")
    if troubles & RECYCLES:
        options.append("runtime.recycle={episodes: 4}")

    def command(*words: str, step: int) -> int:
        """Run a command to its end, or until so many updates were made; return its code."""
        process = subprocess.Popen(
            [sys.executable, "-m", "rlvla", *words], env=environment, stdout=subprocess.DEVNULL
        )
        killing = killing_simulators(run_dir, troubles) if troubles & KILLS else nullcontext()
        stopping = signalling(process.pid, run_dir, step=step, number=signal.SIGTERM)
        with killing as killed, stopping:
            code = process.wait(120)
        if troubles & KILLS:
            print(f"exit code {code}, simulators killed after updates {killed}")
            assert killed or code == 75
        return code

    words: Sequence[str] = ["run", "quickstart", *(word for one in options for word in ("-s", one))]
    if troubles & STOPS:
        assert command(*words, step=dice.randrange(1, UPDATES - 2)) == 75
        words = ["resume", str(run_dir)]
    assert command(*words, step=UPDATES + 1) == 0
    if troubles & RECYCLES:
        assert history.read(run_dir / history.HISTORY)[-1]["replaced/recycled"] > 0
    return hash_of(run_dir)


def hash_of(run_dir: Path) -> str:
    """Return a hash of the last weights, after checking that all updates were made, each once."""
    rows = history.read(run_dir / history.HISTORY)
    assert [row["step"] for row in rows] == [*range(1, UPDATES + 1)]
    assert rows[-1]["ledger/trained"] == UPDATES * BATCH
    last = max((run_dir / "checkpoints").glob(f"step-{UPDATES:09}*"))
    return sha256((last / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(name="plain", scope="module")
def plain_hash(tmp_path_factory: pytest.TempPathFactory) -> str:
    return run(tmp_path_factory.mktemp("plain"))


def test_delays_kills_stops_and_recycling_do_not_change_the_weights(
    tmp_path: Path, plain: str, troubles: int
) -> None:
    found = run(tmp_path, troubles=troubles)
    names = [name for bit, name in TROUBLES.items() if troubles & bit]
    print(f"plain {plain}, with {', '.join(names)} {found}")
    assert found == plain


def test_at_staleness_0_the_asynchronous_run_ends_with_the_weights_of_the_synchronous_one(
    tmp_path: Path, plain: str
) -> None:
    paces = {"asynchronous": ASYNCHRONOUS, "synchronous": SYNCHRONOUS}
    for name in paces:
        (tmp_path / name).mkdir()
    hashes = {name: run(tmp_path / name, *overrides) for name, overrides in paces.items()}
    assert len({*hashes.values()}) == 1, hashes
    assert plain not in hashes.values()  # with a staleness of 1 it learns from other decisions
