"""Whether PPO learns what it should: rlvla, synchronous and stale, and stable-baselines3 in turn.

    pip install -e '.[bench]' && python benchmarks/baselines.py cartpole pendulum --seeds 0 1 2

Each of the manifests in benchmarks/baselines is run at a staleness of 0 and of at most 2, and its
hyper-parameters are given to stable-baselines3. For each run a line says the mean return of the
last 100 training episodes, after how many decisions the bar was first reached, the mean return of
50 deterministic episodes afterwards, and the wall time, start-up included. The bar is for the last
100 training episodes, or for deterministic episodes of the checkpoints, where noise alone ends a
training episode; stable-baselines3 saves none, so that is not said of it.
"""

from __future__ import annotations

import argparse
import json
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
    from collections.abc import Callable, Mapping, Sequence

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


BARS = {
    "cartpole": Bar(475.0),
    "pendulum": Bar(-250.0),
    "inverted_pendulum": Bar(950.0, deterministic=True),
    "reacher": Bar(-6.5, deterministic=True),
}


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    progress: Sequence[tuple[float, float]]
    """Decisions and the mean return of the last 100 training episodes, after each update."""
    returns: Sequence[float]
    """Of deterministic episodes at the end."""
    seconds: float
    saved: Sequence[tuple[float, float]] = ()
    """Decisions and the mean return of some deterministic episodes, of each checkpoint."""

    def line(self, bar: Bar) -> str:
        """Return the outcome in words."""
        progress = self.saved if bar.deterministic else self.progress
        reached = next((decisions for decisions, mean in progress if mean >= bar.value), None)
        learned = "never" if reached is None else f"{reached:.0f}"
        return (
            f"last-100 {self.progress[-1][1]:8.2f}  "
            f"at {bar.value:g} after {learned if progress else '?':>6}  "
            f"deterministic {np.mean(self.returns):8.2f}  {self.seconds:5.0f} s"
        )


def rlvla(manifest: Mapping[str, Any], seed: int, *, staleness: int) -> Outcome:
    """Run the manifest, then the policy that it saved last."""
    changed = {**manifest, "seed": seed}
    changed["async"] = {**manifest["async"], "max_staleness": staleness}
    with TemporaryDirectory() as folder:
        written = Path(folder, "manifest.yaml")
        written.write_text(yaml.safe_dump({**changed, "output_dir": f"{folder}/run"}))
        began = time.perf_counter()
        printed(["-m", "rlvla", "run", str(written)])
        seconds = time.perf_counter() - began
        rows = map(json.loads, Path(folder, "run", "metrics.jsonl").read_text().splitlines())
        progress = [
            (row["ledger/trained"], row["rollout/reward_recent"])
            for row in rows
            if "rollout/reward_recent" in row
        ]
        *earlier, last = sorted(Path(folder, "run", "checkpoints").glob("step-*"))
        simulator = Gymnasium(env=manifest["simulator"]["env"])
        returns = evaluated(simulator, last, EPISODES)
        means = [np.mean(evaluated(simulator, one, EPISODES_EACH)) for one in earlier]
        means.append(np.mean(returns))
    batch = manifest["algorithm"]["batch_size"]
    decisions = [batch * int(one.name.removeprefix("step-")) for one in (*earlier, last)]
    return Outcome(progress, returns, seconds, list(zip(decisions, map(float, means), strict=True)))


def evaluated(simulator: Gymnasium, checkpoint: Path, episodes: int) -> list[float]:
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


def sb3(path: Path, manifest: Mapping[str, Any], seed: int) -> Outcome:
    """Give the manifest's hyper-parameters to stable-baselines3."""
    del manifest
    began = time.perf_counter()
    lines = printed([str(HERE / "sb3_baseline.py"), str(path), "--seed", str(seed)])
    seconds = time.perf_counter() - began
    progress = [json.loads(line) for line in lines if line.startswith("[")]
    return Outcome(progress, json.loads(lines[-1])["returns"], seconds)


def printed(arguments: Sequence[str]) -> list[str]:
    """Run Python and return the lines that it prints."""
    done = subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.splitlines()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", choices=[*BARS], default=[*BARS])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--without", nargs="*", default=[], help="rivals to leave out")
    arguments = parser.parse_args()
    for name in arguments.names:
        path = HERE / "baselines" / f"{name}.yaml"
        manifest = yaml.safe_load(path.read_text())
        rivals: dict[str, Callable[[Mapping[str, Any], int], Outcome]] = {
            "rlvla-0": partial(rlvla, staleness=0),
            "rlvla-2": partial(rlvla, staleness=2),
            "sb3": partial(sb3, path),
        }
        for seed in arguments.seeds:
            for rival in (one for one in rivals if one not in arguments.without):
                line = rivals[rival](manifest, seed).line(BARS[name])
                print(f"{name:18} {rival:8} seed {seed}  {line}", flush=True)


if __name__ == "__main__":
    main()
