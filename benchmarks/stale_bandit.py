"""How fast a policy still learns when its data are stale, by proximal policy and correction.

    python benchmarks/stale_bandit.py --seeds 5 --staleness 0,1,2,4,8,16 --out docs/stale

A context of 8 numbers asks for 4 tokens of 16 values, each the largest of 16 linear functions; a
decision succeeds if 3 tokens are right. 25 steps of imitation, then 64 groups of 8 decisions a
batch with group-normalised advantages and 4 optimizer steps. Every batch is trained on exactly
so many versions after it was made. With `--steps 1 --staleness 0` all methods do the same. Loss,
proximal policies and corrections are those of `ppo` (without critic) and `Followers` as the trainer
uses them; all seeds are trained side by side, by networks that share nothing.

Writes OUT_data.md, a table of the iterations until 60 % of the decisions succeed and of the share
that succeeds at the end, with one of what each proximal policy costs in time and memory, and
OUT.svg, a plot of the former.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from bandit_policy import BanditPolicy
from bandit_task import LR, PART, PARTS, Bandit, imitate, stale
from stale_page import Cost, Outcome, costs, outcome, table, write

from rlvla.core.followers import follow
from rlvla.core.types import Moment
from rlvla.plugins.algorithms.ppo import PPO
from rlvla.plugins.corrections.gipo import GIPO
from rlvla.plugins.corrections.m2po import M2PO
from rlvla.plugins.corrections.mask import Mask
from rlvla.plugins.corrections.reject import Reject
from rlvla.plugins.corrections.truncate import Truncate
from rlvla.plugins.proximals.ewma import Ewma
from rlvla.plugins.proximals.interpolate import Interpolate
from rlvla.plugins.proximals.interrupt import Interrupt
from rlvla.plugins.proximals.old_logit_model import OldLogitModel
from rlvla.plugins.proximals.recompute import Recompute
from rlvla.plugins.proximals.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from rlvla.core.types import Array, Arrays

METHODS: Mapping[str, Mapping[str, Any]] = {
    "behaviour": {},
    "behaviour, gipo": {"correction": GIPO()},
    "recompute": {"proximal": Recompute()},
    "recompute, truncate": {"proximal": Recompute(), "correction": Truncate()},
    "recompute, mask": {"proximal": Recompute(), "correction": Mask()},
    "recompute, reject": {"proximal": Recompute(), "correction": Reject()},
    "recompute, m2po": {"proximal": Recompute(), "correction": M2PO()},
    "snapshot, truncate": {"proximal": Snapshot(), "correction": Truncate()},
    "old_logit_model, truncate": {"proximal": OldLogitModel(), "correction": Truncate()},
    "interrupt, truncate": {"proximal": Interrupt(), "correction": Truncate()},
    "interpolate, truncate": {"proximal": Interpolate(), "correction": Truncate()},
    "ewma, truncate": {"proximal": Ewma(), "correction": Truncate()},
    "ewma with reset, truncate": {
        "proximal": Ewma(reset_below=0.9),
        "correction": Truncate(),
    },
}


class Learner:
    """One method that trains a policy, as the core's trainer would."""

    def __init__(
        self,
        policy: BanditPolicy,
        seeds: int,
        options: Mapping[str, Any],
        *,
        staleness: int,
        steps: int,
    ) -> None:
        self._algorithm = PPO(
            batch_size=seeds * PARTS * PART,
            micro_batch_size=seeds * PART,
            minibatches=steps,
            normalise_advantage="none",
            value_coef=0.0,
            ratio_level="token",
            **options,
        )
        self._policy: Any = policy  # scores, which is all that is asked of a policy here
        self._followers = follow(self._policy, self._algorithm, max_staleness=staleness)
        self._foresees = self._algorithm.proximal.sees_within is not None
        self._staleness = staleness
        self._parts = PARTS // steps
        """Of an optimizer step."""
        self._kept = 0
        self._seconds = 0.0
        self._scoring = 0.0
        self._bytes = 0.0
        self._optimizer = torch.optim.AdamW(
            policy.module.parameters(), LR, weight_decay=0.0, fused=True
        )

    @property
    def cost(self) -> Cost:
        """What the proximal policy cost until now."""
        weights = sum(one.nbytes for one in self._policy.module.parameters())
        kept = self._kept * PARTS * self._staleness
        rest = self._seconds - self._scoring
        return Cost(self._scoring / rest, (self._bytes + kept) / weights)

    def see(self, part: Arrays, version: int) -> Arrays:
        """Return what must be found of a decision before the weights that made it change."""
        if not self._foresees:
            return {}
        began = time.perf_counter()
        self._followers.begin(max(version, 0))
        found = self._followers.arrive(part)
        self._kept = sum(one.nbytes for one in found.values())
        self._seconds += time.perf_counter() - began
        return found

    def update(self, parts: Sequence[dict[str, Array]], version: int) -> None:
        """Train on a batch, an optimizer step after so many parts of it."""
        began = time.perf_counter()
        self._followers.begin(version)
        batch = (
            parts
            if self._foresees
            else [{**part, **self._followers.arrive(part)} for part in parts]
        )
        moment = Moment(version, version, {}, self._followers.scores)
        self._optimizer.zero_grad()
        for number, part in enumerate(batch, 1):
            loss, metrics = self._algorithm.loss(self._policy, part, moment)
            torch.autograd.backward(loss.sum() / (PART * self._parts))
            self._followers.note(metrics)
            if number % self._parts == 0:
                self._optimizer.step()
                self._optimizer.zero_grad()
                self._followers.step()
        self._seconds += time.perf_counter() - began
        told = self._followers.metrics()
        self._scoring += told.get("proximal_seconds", 0.0)
        self._bytes = told.get("proximal_bytes", 0.0)


def run(
    options: Mapping[str, Any],
    seeds: Sequence[int],
    staleness: int,
    *,
    iterations: int,
    steps: int,
) -> Outcome:
    """Train all seeds with one method, on batches made `staleness` versions before."""
    bandit, policy = Bandit(seeds), BanditPolicy(seeds)
    imitate(policy, bandit)
    learner = Learner(policy, len(seeds), options, staleness=staleness, steps=steps)
    curve: list[NDArray[np.float64]] = []
    for version, (parts, right) in enumerate(stale(bandit, policy, staleness, learner.see)):
        if version == iterations:
            break
        curve.append(right)
        learner.update(parts, version)
    return outcome(np.array(curve), learner.cost)


def main() -> None:
    """Run every method at every staleness, print and write the table."""
    parser = argparse.ArgumentParser(description="Run every method at every staleness.")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--staleness", default="0,1,2,4,8,16", help="in versions, by comma")
    parser.add_argument("--iterations", type=int, default=300, help="optimizer batches")
    parser.add_argument("--steps", type=int, default=PARTS, choices=[1, PARTS], help="a batch")
    parser.add_argument("--methods", default="", help="only those that begin with this")
    parser.add_argument("--out", type=Path, required=True, help="beginning of the files' names")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    staleness = [int(one) for one in arguments.staleness.split(",")]
    outcomes: dict[str, dict[int, Outcome]] = {}
    for name, options in METHODS.items():
        if not name.startswith(arguments.methods):
            continue
        outcomes[name] = {}
        for eta in staleness:
            began = time.perf_counter()
            found = outcomes[name][eta] = run(
                options, seeds, eta, iterations=arguments.iterations, steps=arguments.steps
            )
            reached = " ".join(f"{one:.0f}" for one in found.reached)
            end = " ".join(f"{one:.3f}" for one in found.end)
            seconds = time.perf_counter() - began
            print(f"{name:26} {eta:3}  {reached}  {end}  {seconds:.0f} s", flush=True)
    print(table(outcomes, staleness), costs(outcomes, staleness), sep="\n")
    told = (
        f"`python benchmarks/stale_bandit.py --first {arguments.first} --seeds {arguments.seeds} "
        f"--staleness {arguments.staleness} --iterations {arguments.iterations}`"
    )
    write(arguments.out, outcomes, told=told, iterations=arguments.iterations)


if __name__ == "__main__":
    main()
