"""How fast a policy still learns when its data are stale, by proximal policy and correction.

    python benchmarks/stale_bandit.py --seeds 5 --staleness 0,1,2,4,8,16 --out docs/stale

A context of 8 numbers asks for 4 tokens of 16 values, each the largest of 16 linear functions; a
decision succeeds if 3 tokens are right. 25 steps of imitation, then 64 groups of 8 decisions a
batch with group-normalised advantages and 4 optimizer steps. Every batch is trained on exactly
so many versions after it was made. Loss, proximal policies and corrections are those of `ppo`
(without critic) and `Followers` as the trainer uses them; all seeds are trained side by side, by
networks that share nothing.

Writes OUT_data.md, a table of the iterations until 60 % of the decisions succeed and of the share
that succeeds at the end, and OUT.svg, a plot of the former.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import deque
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from bandit_policy import CONTEXT, TOKENS, VALUES, BanditPolicy

from rlvla.core.followers import follow
from rlvla.core.page import STYLE
from rlvla.core.plot import LEFT, TOP, Curve, line_plot
from rlvla.core.types import Moment
from rlvla.plugins.algorithms.ppo import PPO
from rlvla.plugins.corrections.gipo import GIPO
from rlvla.plugins.corrections.m2po import M2PO
from rlvla.plugins.corrections.mask import Mask
from rlvla.plugins.corrections.reject import Reject
from rlvla.plugins.corrections.truncate import Truncate
from rlvla.plugins.proximals.ewma import Ewma
from rlvla.plugins.proximals.interpolate import Interpolate
from rlvla.plugins.proximals.old_logit_model import OldLogitModel
from rlvla.plugins.proximals.recompute import Recompute
from rlvla.plugins.proximals.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from rlvla.core.types import Array

GROUPS, MEMBERS, PARTS, LR, IMITATIONS, GOAL, ENOUGH = 64, 8, 4, 3e-3, 25, 0.6, 3
PART = GROUPS * MEMBERS // PARTS
SMOOTH = 5
"""Iterations over which success is averaged; the last 20 are the end."""

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
    "interpolate, truncate": {"proximal": Interpolate(), "correction": Truncate()},
    "ewma, truncate": {"proximal": Ewma(), "correction": Truncate()},
    "ewma with reset, truncate": {
        "proximal": Ewma(reset_below=0.9),
        "correction": Truncate(),
    },
}
PLOTTED = (
    *("behaviour", "behaviour, gipo", "recompute, truncate", "recompute, m2po"),
    *("interpolate, truncate", "ewma, truncate"),
)

PAGE = """# What stale data cost, and what helps

A bandit of 4 tokens, trained on batches that are exactly η versions old: the median over seeds of
the iterations until 60 % of the decisions succeed, and the mean success at the end. Rows name the
options `proximal` and `correction` of `ppo`, with their defaults. One learning rate for all, none
tuned; staleness is a fixed delay, and generator and trainer compute alike, so `snapshot` finds what
was recorded and is `behaviour`.

{table}
![iterations to 60 % over staleness]({plot})

Written by {told}.
"""


@dataclass(frozen=True)
class Outcome:
    """What became of the seeds of one method at one staleness."""

    reached: Sequence[float]
    """Iterations until the goal, of each seed; infinite if it was never reached."""
    end: Sequence[float]
    """Success at the end, of each seed."""
    curve: NDArray[np.float64]
    """Success in each iteration, [iterations, seeds]."""


class Bandit:
    """The task of each seed, and decisions on it."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._random = [np.random.default_rng(seed) for seed in seeds]
        shape = (TOKENS, VALUES, CONTEXT)
        self._linear = np.stack([one.normal(size=shape) for one in self._random])

    def contexts(self, count: int) -> NDArray[np.float32]:
        """Return contexts for each seed, [seeds, count, CONTEXT]."""
        drawn = [one.normal(size=(count, CONTEXT)) for one in self._random]
        return np.stack(drawn).astype(np.float32)

    def targets(self, contexts: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the right tokens, [seeds, count, TOKENS]."""
        return np.einsum("stvc,snc->sntv", self._linear, contexts).argmax(-1)

    def noise(self, count: int) -> NDArray[np.float32]:
        """Return Gumbel noise for each token's values, [seeds, count, TOKENS, VALUES]."""
        drawn = [one.gumbel(size=(count, TOKENS, VALUES)) for one in self._random]
        return np.stack(drawn).astype(np.float32)

    def decide(self, policy: BanditPolicy) -> tuple[list[dict[str, Array]], NDArray[np.float64]]:
        """Return a batch in its minibatches, and the success of each seed."""
        parts: list[dict[str, Array]] = []
        right = np.zeros(len(self._random))
        for _ in range(PARTS):
            context = self.contexts(PART // MEMBERS).repeat(MEMBERS, 1)
            decided = policy.draw(context, self.noise(PART))
            hits = (decided["tokens"].reshape(-1, PART, TOKENS) == self.targets(context)).sum(-1)
            score = (hits >= ENOUGH).astype(np.float32)
            right += score.mean(1) / PARTS
            parts.append({**decided, "advantage": normalised(score)})
        return parts, right


def normalised(score: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scores [seeds, PART] as advantages within their groups, [rows, 1]."""
    groups = score.reshape(-1, MEMBERS)
    spread = groups.std(1, ddof=1, keepdims=True)
    return ((groups - groups.mean(1, keepdims=True)) / (spread + 1e-6)).reshape(-1, 1)


def imitate(policy: BanditPolicy, bandit: Bandit) -> None:
    """Teach the right tokens for a little while."""
    optimizer = torch.optim.Adam(policy.module.parameters(), LR)
    for _ in range(IMITATIONS):
        context = bandit.contexts(PART)
        tokens = bandit.targets(context).reshape(-1, 1, TOKENS)
        scores = policy.evaluate({"proprio": context.reshape(-1, CONTEXT), "tokens": tokens})
        optimizer.zero_grad()
        torch.autograd.backward(-scores.log_prob.sum() / PART)
        optimizer.step()


def stale(
    bandit: Bandit, policy: BanditPolicy, staleness: int
) -> Iterator[tuple[list[dict[str, Array]], NDArray[np.float64]]]:
    """Yield batches that were made `staleness` versions ago, and the success of the present one.

    The caller makes one version between two batches; the first ones are all of version 0.
    """
    waiting: deque[list[dict[str, Array]]] = deque()
    for version in count(-staleness):
        parts, right = bandit.decide(policy)
        made = {"version": np.full(len(parts[0]["tokens"]), max(version, 0))}
        waiting.append([part | made for part in parts])
        if len(waiting) > staleness:
            yield waiting.popleft(), right


class Learner:
    """One method that trains a policy, as the core's trainer would."""

    def __init__(
        self, policy: BanditPolicy, seeds: int, options: Mapping[str, Any], *, staleness: int
    ) -> None:
        self._algorithm = PPO(
            batch_size=seeds * PARTS * PART,
            micro_batch_size=seeds * PART,
            minibatches=PARTS,
            normalise_advantage="none",
            value_coef=0.0,
            ratio_level="token",
            **options,
        )
        self._policy: Any = policy  # scores, which is all that is asked of a policy here
        self._followers = follow(self._policy, self._algorithm, max_staleness=staleness)
        self._optimizer = torch.optim.AdamW(
            policy.module.parameters(), LR, weight_decay=0.0, fused=True
        )

    def update(self, parts: Sequence[dict[str, Array]], version: int) -> None:
        """Train on a batch, one optimizer step for each part of it."""
        self._followers.begin(version)
        batch = [{**part, **self._followers.arrive(part)} for part in parts]
        moment = Moment(version, version, {}, self._followers.scores)
        for part in batch:
            loss, metrics = self._algorithm.loss(self._policy, part, moment)
            self._optimizer.zero_grad()
            torch.autograd.backward(loss.sum() / PART)
            self._optimizer.step()
            self._followers.note(metrics)
            self._followers.step()


def run(
    options: Mapping[str, Any], seeds: Sequence[int], staleness: int, iterations: int
) -> Outcome:
    """Train all seeds with one method, on batches made `staleness` versions before."""
    bandit, policy = Bandit(seeds), BanditPolicy(seeds)
    imitate(policy, bandit)
    learner = Learner(policy, len(seeds), options, staleness=staleness)
    curve: list[NDArray[np.float64]] = []
    for version, (parts, right) in enumerate(stale(bandit, policy, staleness)):
        if version == iterations:
            break
        curve.append(right)
        learner.update(parts, version)
    return outcome(np.array(curve))


def outcome(curve: NDArray[np.float64]) -> Outcome:
    """Return what a curve [iterations, seeds] says."""
    window = np.ones(SMOOTH) / SMOOTH
    smooth = np.stack([np.convolve(one, window, "valid") for one in curve.T])
    first = [np.flatnonzero(one >= GOAL) for one in smooth]
    reached = [float(one[0] + SMOOTH - 1) if len(one) else float("inf") for one in first]
    return Outcome(reached, curve[-20:].mean(0).tolist(), curve)


def table(outcomes: Mapping[str, Mapping[int, Outcome]], staleness: Sequence[int]) -> str:
    """Return the outcomes as Markdown: median iterations to the goal / mean success at the end."""
    rows = [["method", *(f"η = {one}" for one in staleness)], ["---"] * (len(staleness) + 1)]
    for name, found in outcomes.items():
        cells = [
            f"{statistics.median(found[one].reached):.0f} / {statistics.fmean(found[one].end):.3f}"
            for one in staleness
        ]
        rows.append([name, *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def plot(outcomes: Mapping[str, Mapping[int, Outcome]], iterations: int) -> str:
    """Return an SVG of the median iterations to the goal; those that never reached it, as all."""
    names = [name for name in PLOTTED if name in outcomes]
    medians = {
        name: [(eta, statistics.median(one.reached)) for eta, one in outcomes[name].items()]
        for name in names
    }
    curves = [
        Curve(name, [(eta, min(median, iterations)) for eta, median in medians[name]])
        for name in names
    ]
    drawn = line_plot(curves, x_label="staleness in versions", y_label="iterations to 60 %")
    legend = "".join(
        f'<text class="name c{number}" style="fill: var(--c)" x="{LEFT + 12}" '
        f'y="{TOP + 12 + 14 * number}">{name}</text>'
        for number, name in enumerate(names)
    )
    framed = drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return framed.replace(">", f"><style>{STYLE}</style>", 1).replace("</svg>", f"{legend}</svg>")


def write(
    out: Path, outcomes: Mapping[str, Mapping[int, Outcome]], *, told: str, iterations: int
) -> None:
    """Write the page and its plot; `told` says how they came about."""
    staleness = [*next(iter(outcomes.values()))]
    svg = Path(f"{out}.svg")
    out.parent.mkdir(parents=True, exist_ok=True)
    svg.write_text(plot(outcomes, iterations))
    text = PAGE.format(table=table(outcomes, staleness), plot=svg.name, told=told)
    Path(f"{out}_data.md").write_text(text)


def main() -> None:
    """Run every method at every staleness, print and write the table."""
    parser = argparse.ArgumentParser(description="Run every method at every staleness.")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--staleness", default="0,1,2,4,8,16", help="in versions, by comma")
    parser.add_argument("--iterations", type=int, default=300, help="optimizer batches")
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
            found = outcomes[name][eta] = run(options, seeds, eta, arguments.iterations)
            reached = " ".join(f"{one:.0f}" for one in found.reached)
            end = " ".join(f"{one:.3f}" for one in found.end)
            seconds = time.perf_counter() - began
            print(f"{name:26} {eta:3}  {reached}  {end}  {seconds:.0f} s", flush=True)
    print(table(outcomes, staleness))
    told = (
        f"`python benchmarks/stale_bandit.py --first {arguments.first} --seeds {arguments.seeds} "
        f"--staleness {arguments.staleness} --iterations {arguments.iterations}`"
    )
    write(arguments.out, outcomes, told=told, iterations=arguments.iterations)


if __name__ == "__main__":
    main()
