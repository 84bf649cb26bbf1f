"""The page of the stale bandit: what became of each method, what it cost, and a plot."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.page import STYLE
from rlvla.core.plot import LEFT, TOP, Curve, line_plot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

GOAL = 0.6
SMOOTH = 5
"""Iterations over which success is averaged; the last 20 are the end."""
PLOTTED = (
    *("behaviour", "behaviour, gipo", "recompute, truncate", "recompute, m2po"),
    *("interpolate, truncate", "ewma, truncate"),
)


PAGE = """# What stale data cost, and what helps

A bandit of 4 tokens, trained on batches that are exactly η versions old: the median over seeds of
the iterations until 60 % of the decisions succeed, and the mean success at the end. Rows name the
options `proximal` and `correction` of `ppo`, with their defaults. One learning rate for all, none
tuned; staleness is a fixed delay, and generator and trainer compute alike, so the exact proximal
policies, `snapshot`, `old_logit_model` and `interrupt`, find what was recorded and are `behaviour`.

At η = 0 the proximal policy p is the behaviour policy b in all rows but those of `gipo` and `ewma`:
the weight p / b is 1, and what bounds weights has nothing to do. These differ by their formulas
from the second of a batch's 4 optimizer steps on. `gipo` has no clip: its gradient is that of the
ratio r times exp(-(log r / sigma)² / 2), which is 1 at r = 1 alone. In `ewma` p averages over
steps, with β = w / (w + 2) and w = 4 (η + 1) - 1, so that after a step p is b no more. With one
step a batch r is 1 and w is 0, hence p is b, and all rows are the same, as is to be seen with
`--steps 1 --staleness 0`.

{table}
![iterations to 60 % over staleness]({plot})

What a proximal policy costs: the time of its scores and averages as a share of the rest of the
training, and the memory that it holds beside the record, in copies of the trained weights.
`interrupt` also has the generators wait for every update, which a bandit without generators does
not show; what it holds are log-probabilities, which weigh little beside a larger policy than this.

{costs}

Written by {told}.
"""


@dataclass(frozen=True)
class Cost:
    """What a proximal policy costs, in units that fit any policy."""

    time: float
    """Seconds of scoring and averaging, over those of the rest of the training."""
    memory: float
    """Bytes held beside the policy and the record, over those of the trained weights."""


@dataclass(frozen=True)
class Outcome:
    """What became of the seeds of one method at one staleness."""

    reached: Sequence[float]
    """Iterations until the goal, of each seed; infinite if it was never reached."""
    end: Sequence[float]
    """Success at the end, of each seed."""
    curve: NDArray[np.float64]
    """Success in each iteration, [iterations, seeds]."""
    cost: Cost


def outcome(curve: NDArray[np.float64], cost: Cost) -> Outcome:
    """Return what a curve [iterations, seeds] says."""
    window = np.ones(SMOOTH) / SMOOTH
    smooth = np.stack([np.convolve(one, window, "valid") for one in curve.T])
    first = [np.flatnonzero(one >= GOAL) for one in smooth]
    reached = [float(one[0] + SMOOTH - 1) if len(one) else float("inf") for one in first]
    return Outcome(reached, curve[-20:].mean(0).tolist(), curve, cost)


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


def costs(outcomes: Mapping[str, Mapping[int, Outcome]], staleness: Sequence[int]) -> str:
    """Return as Markdown what each proximal policy costs: time / memory."""
    rows = [["proximal", *(f"η = {one}" for one in staleness)], ["---"] * (len(staleness) + 1)]
    seen: set[str] = set()
    for name, found in outcomes.items():
        proximal = name.partition(",")[0]
        if proximal not in seen:
            made = [found[one].cost for one in staleness]
            rows.append([proximal, *(f"{one.time:.0%} / {one.memory:.2f}" for one in made)])
            seen.add(proximal)
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
    text = PAGE.format(
        table=table(outcomes, staleness), costs=costs(outcomes, staleness), plot=svg.name, told=told
    )
    Path(f"{out}_data.md").write_text(text)
