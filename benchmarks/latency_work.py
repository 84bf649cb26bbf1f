"""How much of the simulators' time is used: 16 of them that wait 20 ms a step, on average.

    python benchmarks/latency_work.py --repeats 5

Each simulator sleeps for a log-normal time of mean 20 ms and coefficient of variation 0.5, in a
process of its own, and shows an image of 64x64 pixels to a small convolution net, which PPO
trains in one epoch of 256 decisions. Were nothing else to take time, 16 simulators would make
800 decisions/s. The rival is rlvla with all three levels of asynchrony off. Start-up and three
updates do not count.
"""

from __future__ import annotations

import argparse
import statistics
from functools import partial

from measure import in_turn, ratio, run

MANIFEST = "latency_work.yaml"
IDEAL = 16 / 0.020
"""Decisions per second of 16 lanes that take 20 ms each."""
SYNCHRONOUS = {"rollout": False, "stream": False, "max_staleness": 0}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--updates", type=int, default=40)
    arguments = parser.parse_args()
    measured = partial(run, MANIFEST, budget={"updates": arguments.updates})
    rivals = {"synchronous": partial(measured, **{"async": SYNCHRONOUS}), "asynchronous": measured}
    rates = in_turn(rivals, repeats=arguments.repeats)
    shares = [rate / IDEAL for rate in rates["asynchronous"]]
    spread = f"[{min(shares):.2f}, {max(shares):.2f}]"
    print(f"asynchronous / ideal: {statistics.median(shares):.2f} {spread}")
    print(f"asynchronous / synchronous: {ratio(rates['asynchronous'], rates['synchronous'])}")


if __name__ == "__main__":
    main()
