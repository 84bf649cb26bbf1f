"""What the core costs: event loop time per decision, and how quickly rows pass the shared memory.

Workers are real processes that do next to nothing: the simulator does not wait, the policy has a
few parameters. The processor time of this process, which runs the event loop, is divided by
the decisions made; `--profile` prints where it goes.

Rows hold one image of 224 x 224 x 3. They are written by lane and read by batch, as in a run, and
compared with a bare copy of the same bytes by numpy.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import statistics
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.manifest import load
from rlvla.core.memory import SharedMemory
from rlvla.core.plugins import Plugins
from rlvla.core.run import run_manifest
from rlvla.core.slots import Layout, Slots
from rlvla.core.types import Field, SimulatorSpec
from rlvla.plugins import BUILTIN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LANES = 64
WARM_UP = 2
ROWS = 1024
"""As a run has: more than any cache holds."""
MANIFEST = """
rlvla: 1
name: overhead
simulator: {type: latency, lanes: 64}
model: {type: latency}
algorithm: {type: ppo, batch_size: 2048, micro_batch_size: 512}
async: {segment: 16}
schedulers: {sharding: {type: even, shards: 2}}
budget: {updates: 12}
eval: {episodes: 1, lanes: 1, videos: 0}
"""


class Clock:
    """A logger that notes the processor time of this process and the decisions made."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, float]] = []

    def start(self, run_dir: str, manifest: Mapping[str, object]) -> None:
        """Begin; see `Logger.start`."""

    def log(self, row: Mapping[str, float | int | str]) -> None:
        """Note where the run is; see `Logger.log`."""
        self.seen.append((time.process_time(), float(row["ledger/produced"])))

    def close(self) -> None:
        """End; see `Logger.close`."""


def event_loop() -> float:
    """Return the microseconds of the event loop that a decision takes."""
    plugins = Plugins()
    plugins.load_builtin(BUILTIN)
    clock = Clock()
    with TemporaryDirectory() as folder:
        path = Path(folder, "overhead.yaml")
        path.write_text(MANIFEST)
        manifest = load(path, plugins.components)
        run_manifest(replace(manifest, loggers=(clock,), output_dir=Path(folder, "run")), plugins)
    (began, first), (ended, last) = clock.seen[WARM_UP - 1], clock.seen[-1]
    return (ended - began) / (last - first) * 1e6


def slots() -> tuple[float, float]:
    """Return bytes per second through the slots, and of a bare copy there and back."""
    spec = SimulatorSpec(
        cameras={"camera": (224, 224)},
        proprio=8,
        action_low=(-1.0,),
        action_high=(1.0,),
        max_steps=10,
        control_hz=10.0,
    )
    layout = Layout(spec, {"action": Field((1, 1), "float32")})
    rows = Slots(layout, ROWS, SharedMemory(layout.row_bytes * ROWS, "slots").map())
    fields = layout.parts["observation"]
    given = {name: np.ones(one.shape, one.dtype) for name, one in fields.items()}
    image = next(iter(given.values()))
    shape = (ROWS, *image.shape)
    bare = np.ndarray(shape, np.uint8, SharedMemory(int(np.prod(shape)), "bare").map())

    def through() -> None:
        for first in range(0, ROWS, LANES):
            for slot in range(first, first + LANES):
                rows.write_row("observation", slot, given)
            rows.read(range(first, first + LANES), "observation")

    def copied() -> None:
        for first in range(0, ROWS, LANES):
            for slot in range(first, first + LANES):
                bare[slot] = image
            bare[first : first + LANES].copy()

    sizes = sum(one.nbytes for one in given.values()), image.nbytes
    return 2 * ROWS * sizes[0] / _seconds(through), 2 * ROWS * sizes[1] / _seconds(copied)


def _seconds(call: Callable[[], None]) -> float:
    """Return the best of many times: everything else is the rest of the machine."""
    times: list[float] = []
    for _ in range(20):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--profile", action="store_true", help="print where the event loop's time goes"
    )
    arguments = parser.parse_args()
    if arguments.profile:
        with cProfile.Profile() as profile:
            event_loop()
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        return
    times = [event_loop() for _ in range(arguments.repeats)]
    middle = statistics.median(times)
    print(f"event loop: {middle:.1f} us per decision [{min(times):.1f}, {max(times):.1f}]")
    ours, bare = slots()
    print(f"slots: {ours / 1e9:.2f} GB/s, {ours / bare:.2f} of a bare copy's {bare / 1e9:.2f} GB/s")


if __name__ == "__main__":
    main()
