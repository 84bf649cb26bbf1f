"""Whether PPO learns what it should: rlvla, synchronous and stale, and stable-baselines3 in turn.

    pip install -e '.[bench]' && python benchmarks/baselines.py cartpole pendulum --seeds 0 1 2

Each of the manifests in benchmarks/baselines is run at a staleness of 0 and of at most 2, and its
hyper-parameters are given to stable-baselines3. For each run a line says the mean return of the
last 100 training episodes, after how many decisions the bar was first reached, the mean return of
50 deterministic episodes afterwards, how stale decisions were on average, and the wall time,
start-up included. The bar is for the last 100 training episodes, or for deterministic episodes of
the checkpoints, where noise alone ends a training episode; stable-baselines3 saves none, so that
is not said of it.

Then a line says how many decisions stale runs needed for each that synchronous ones did. Two runs
of one seed share little more than their first weights, so what each seed's two needed is two draws
of a wide distribution: what is compared are the means over the seeds and the medians, and the
ratios of single seeds show how wide it is.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from rlvla.core.types import Start, encode_instruction
from rlvla.plugins.models.mlp import MLP
from rlvla.plugins.simulators.gymnasium import Gymnasium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rlvla.core.interfaces import Policy

HERE = Path(__file__).parent
EPISODES, EPISODES_EACH = 50, 10
"""Deterministic episodes at the end, and for each checkpoint before."""


@dataclass(frozen=True)
class Bar:
    """The mean return by which an environment counts as learned."""

    value: float
    deterministic: bool = False
    """It is that of a checkpoint's deterministic episodes, not of the last 100 in training."""

    def reached(self, progress: Iterable[tuple[float, float]]) -> float:
        """Return after how many decisions a mean return, given beside them, first was enough."""
        return next((decisions for decisions, mean in progress if mean >= self.value), math.inf)


BARS = {
    "cartpole": Bar(475.0),
    "pendulum": Bar(-250.0),
    "inverted_pendulum": Bar(950.0, deterministic=True),
    "reacher": Bar(-6.5, deterministic=True),
}


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    last: float
    """Mean return of the last 100 training episodes."""
    reached: float | None
    """Decisions until the bar was reached, which may be infinite; None if nobody knows."""
    returns: Sequence[float]
    """Of deterministic episodes at the end."""
    staleness: float
    """Mean over decisions, in versions."""
    seconds: float

    def line(self, bar: Bar) -> str:
        """Return the outcome in words."""
        reached = "?" if self.reached is None else f"{self.reached:.0f}"
        return (
            f"last-100 {self.last:8.2f}  at {bar.value:g} after {reached:>6}  "
            f"deterministic {np.mean(self.returns):8.2f}  stale by {self.staleness:4.2f}  "
            f"{self.seconds:5.0f} s"
        )


def rlvla(bar: Bar, manifest: Mapping[str, Any], seed: int, *, staleness: int) -> Outcome:
    """Run the manifest, then the policies that it saved: the last, and others up to the bar."""
    changed = {**manifest, "seed": seed}
    changed["async"] = {**manifest["async"], "max_staleness": staleness}
    with TemporaryDirectory() as folder:
        written = Path(folder, "manifest.yaml")
        written.write_text(yaml.safe_dump({**changed, "output_dir": f"{folder}/run"}))
        began = time.perf_counter()
        printed(["-m", "rlvla", "run", str(written)])
        seconds = time.perf_counter() - began
        lines = Path(folder, "run", "metrics.jsonl").read_text().splitlines()
        rows = [row for row in map(json.loads, lines) if "rollout/reward_recent" in row]
        saved = sorted(Path(folder, "run", "checkpoints").glob("step-*"))
        simulator = Gymnasium(env=manifest["simulator"]["env"])
        progress = ((row["ledger/trained"], row["rollout/reward_recent"]) for row in rows)
        if bar.deterministic:
            batch = manifest["algorithm"]["batch_size"]
            progress = (
                (
                    batch * int(one.name.removeprefix("step-")),
                    statistics.fmean(evaluated(simulator, one)),
                )
                for one in saved
            )
        return Outcome(
            last=rows[-1]["rollout/reward_recent"],
            reached=bar.reached(progress),
            returns=evaluated(simulator, saved[-1], EPISODES),
            staleness=statistics.fmean(row["async/staleness_mean"] for row in rows),
            seconds=seconds,
        )


def evaluated(simulator: Gymnasium, checkpoint: Path, episodes: int = EPISODES_EACH) -> list[float]:
    """Return the returns of deterministic episodes of a saved policy."""
    policy = MLP(checkpoint=str(checkpoint)).build(simulator.spec, seed=0)
    simulator.start(1)
    returns = [episode(simulator, policy, index) for index in range(episodes)]
    simulator.close()
    return returns


def episode(simulator: Gymnasium, policy: Policy, index: int) -> float:
    """Return what an episode from an evaluation start pays under greedy decisions."""
    task, total = simulator.tasks[0], 0.0
    shown = simulator.reset(0, Start(task, "eval", index))
    while True:
        seen = {
            "proprio": shown.proprio[None],
            "privileged": shown.privileged[None],
            "instruction": encode_instruction(task)[None],
        }
        made = policy.act(seen, seeds=np.zeros(1, np.uint64), temperature=np.zeros(1, np.float32))
        result = simulator.step(0, np.asarray(made["action"][0], np.float32))
        total += float(result.reward.sum())
        if result.terminated.any() or result.truncated.any():
            return total
        shown = result.observation


def sb3(bar: Bar, path: Path, seed: int) -> Outcome:
    """Give the manifest's hyper-parameters to stable-baselines3."""
    began = time.perf_counter()
    lines = printed([str(HERE / "sb3_baseline.py"), str(path), "--seed", str(seed)])
    seconds = time.perf_counter() - began
    progress = [json.loads(line) for line in lines if line.startswith("[")]
    return Outcome(
        last=progress[-1][1],
        reached=None if bar.deterministic else bar.reached(progress),
        returns=json.loads(lines[-1])["returns"],
        staleness=0.0,
        seconds=seconds,
    )


def compared(fresh: Sequence[float], stale: Sequence[float]) -> str:
    """Return in words what the seeds needed stale, in units of what they needed synchronously."""
    means, medians = (
        middle(stale) / middle(fresh) for middle in (statistics.fmean, statistics.median)
    )
    single = " ".join(f"{b / a:.2f}" for a, b in zip(fresh, stale, strict=True))
    return (
        f"stale over synchronous decisions to the bar: means {means:.2f}  medians {medians:.2f}  "
        f"each seed {single}"
    )


def printed(arguments: Sequence[str]) -> list[str]:
    """Run Python and return the lines that it prints; end as it does, if it fails."""
    done = subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)  # it has said why
    return done.stdout.splitlines()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", choices=[*BARS], default=[*BARS])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--without", nargs="*", default=[], help="rivals to leave out")
    arguments = parser.parse_args()
    for name in arguments.names:
        measure(name, arguments.seeds, arguments.without)


def measure(name: str, seeds: Sequence[int], without: Sequence[str]) -> None:
    """Run all rivals on a task, seed by seed in turn, and print what came of them."""
    path, bar = HERE / "baselines" / f"{name}.yaml", BARS[name]
    manifest = yaml.safe_load(path.read_text())
    rivals: dict[str, Callable[[int], Outcome]] = {
        "rlvla-0": partial(rlvla, bar, manifest, staleness=0),
        "rlvla-2": partial(rlvla, bar, manifest, staleness=2),
        "sb3": partial(sb3, bar, path),
    }
    reached: dict[str, list[float]] = {one: [] for one in rivals if one not in without}
    for seed in seeds:
        for rival, needed in reached.items():
            outcome = rivals[rival](seed)
            needed.append(math.nan if outcome.reached is None else outcome.reached)
            print(f"{name:18} {rival:8} seed {seed}  {outcome.line(bar)}", flush=True)
    if {"rlvla-0", "rlvla-2"} <= reached.keys():
        print(f"{name:18} {compared(reached['rlvla-0'], reached['rlvla-2'])}", flush=True)


if __name__ == "__main__":
    main()
