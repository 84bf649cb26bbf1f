"""PPO on HalfCheetah-v5, 16 environments: rlvla against stable-baselines3 and a plain loop.

    pip install -e '.[bench]' && python benchmarks/halfcheetah.py --repeats 5

All do the same work per update: 2048 decisions (16 environments x 128 steps), 10 epochs of 32
optimizer steps on minibatches of 64, actor and critic of 64-64 tanh units apart, one thread of
torch per process. What differs: rlvla collects the next decisions while it trains on the last, one
version stale at most (`async.max_staleness: 1`), normalises advantages by running statistics and
makes the first epoch's minibatches in order of arrival. Start-up and three updates do not count.
"""

from __future__ import annotations

import argparse
from functools import partial

from measure import in_turn, ratio, run, script


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--updates", type=int, default=25)
    arguments = parser.parse_args()
    decisions = str(2048 * arguments.updates)
    sb3 = partial(script, "sb3_ppo.py", "--decisions", decisions)
    rivals = {
        "stable-baselines3 dummy": partial(sb3, "--vector", "dummy"),
        "stable-baselines3 subproc": partial(sb3, "--vector", "subproc"),
        "plain loop": partial(script, "plain_ppo.py", "--decisions", decisions),
        "rlvla": partial(run, "halfcheetah.yaml", budget={"decisions": int(decisions)}),
    }
    rates = in_turn(rivals, repeats=arguments.repeats)
    for name in [*rivals][:-1]:
        print(f"rlvla / {name}: {ratio(rates['rlvla'], rates[name])}")


if __name__ == "__main__":
    main()
