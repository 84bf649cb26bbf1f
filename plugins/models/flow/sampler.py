"""Acting by denoising, and scoring what was recorded of it, with any velocity network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import Tensor

from rlvla.plugins.models.flow import kinds
from rlvla.plugins.models.flow.density import Likelihood, Steps, likelihood, log_deviation
from rlvla.plugins.models.noise import normal, uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Arrays
    from rlvla.plugins.models.flow.sampling import FlowSampling

Denoiser: TypeAlias = Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]]
"""Takes points [N, H, A] and times [N], float32; returns their velocities [N, H, A] and, for
learned noise, the numbers [N, H, A] that `log_deviation` bounds.

N is the number of rows B, or a multiple of it: then the points of a row follow each other, and what
a row sees is to be repeated by `repeat_interleave`.
"""


@dataclass(frozen=True)
class Decisions:
    """What was drawn for a batch."""

    action: Tensor
    """The denoised points, [B, H, A]."""
    log_prob: Tensor
    """[B, C, D]."""
    record: dict[str, NDArray[np.generic]]
    """The fields that `FlowSampling.fields` names."""


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """Denoises H actions of A elements, of which the first C and D are executed and scored.

    A score is the density of what was recorded, element by element. Where some are dropped (C < H
    or D < A) it is exact for one drawn step, whose elements are independent given the point before
    it. Of a whole chain it is then no longer the exact likelihood, as a network carries what a
    dropped element did in one step into the kept elements of the next; published work does alike.

    A policy that decides more at random than these elements appends the log-probabilities and
    entropies of that along the last axis: `interfaces.Scores` takes any K of an action, and no
    algorithm asks which of them come from here.
    """

    sampling: FlowSampling
    horizon: int
    """Actions that are denoised (H)."""
    width: int
    """Elements of an action that are denoised (A)."""
    chunk: int
    """Actions that are executed (C)."""
    dimensions: int
    """Elements of an action that the simulator takes (D)."""

    def draw(
        self,
        denoiser: Denoiser,
        *,
        seeds: NDArray[np.uint64],
        temperature: NDArray[np.float32],
        device: torch.device | None = None,
    ) -> Decisions:
        """Denoise a row for each seed, which alone decides what is drawn for it.

        The temperature scales all that is drawn: the start and the noise of the steps. At 0 all
        steps are Euler's, from where `FlowSampling.start` says; they are scored as at 1.
        """
        record = self._record(seeds, temperature)
        plan = torch.as_tensor(self._plan(record, temperature), device=device)
        bounds = torch.as_tensor(record["noise"], device=device)
        start, *fresh = self._noise(seeds, temperature, device)
        fresh *= self.sampling.steps // len(fresh)
        points, velocities, raws = [start], list[Tensor](), list[Tensor]()
        for k, time in enumerate(kinds.times(self.sampling).tolist()):
            here = points[-1]
            velocity, raw = denoiser(here, here.new_full((len(here),), time))
            of_point, of_velocity, deviation = plan[:, k]
            if raw is not None:
                deviation = deviation * log_deviation(raw, bounds).exp()
                raws.append(raw)
            mean = (of_point * here).addcmul(of_velocity, velocity)
            points.append(mean.addcmul(deviation, fresh[k]))
            velocities.append(velocity)
        steps = self._drawn(record, points, velocities, raws)
        record["chain"] = steps.chain.cpu().numpy()
        return Decisions(points[-1], self._likelihood(record, steps).log_prob, record)

    def score(
        self, denoiser: Denoiser, batch: Arrays, *, device: torch.device | None = None
    ) -> Likelihood:
        """Score recorded decisions, in one call of the denoiser with S points a row."""
        chain = torch.as_tensor(batch["chain"], device=device)
        before = chain[:, :-1]
        time = kinds.times(self.sampling)[kinds.drawn(self.sampling, batch)].astype(np.float32)
        velocity, raw = denoiser(
            before.flatten(0, 1), torch.as_tensor(time, device=device).flatten()
        )
        shaped = None if raw is None else raw.view_as(before)
        return self._likelihood(batch, Steps(chain, velocity.view_as(before), shaped))

    def denoise(self, denoiser: Denoiser, start: Tensor) -> Tensor:
        """Return the actions [B, H, A] that Euler's steps make of `start`, [B, H, A]."""
        point = start
        for time in kinds.times(self.sampling).tolist():
            velocity, _ = denoiser(point, point.new_full((len(point),), time))
            point = point.add(velocity, alpha=-1 / self.sampling.steps)
        return point

    def _record(
        self, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        """Choose the drawn steps and say how much noise they have."""
        noise = kinds.recorded(self.sampling, temperature)
        if self.sampling.stochastic == "all":
            return {"noise": noise}
        step = (uniform(seeds, 1)[:, 0] * self.sampling.drawable).astype(np.int64)
        if not self.sampling.learned:
            noise = noise[np.arange(len(step)), step, None]
        return {"noise": noise, "step": step}

    def _plan(self, record: Arrays, temperature: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return weights of point and velocity and the deviation of each step, [3, K, B, 1, 1].

        Instead of a learned deviation there is the factor 1; what is not drawn has 0.
        """
        deviation = np.zeros((len(temperature), self.sampling.steps), np.float32)
        drawn = 1.0 if self.sampling.learned else record["noise"]
        np.put_along_axis(deviation, kinds.drawn(self.sampling, record), drawn, 1)
        deviation[temperature == 0] = 0
        time = np.broadcast_to(kinds.times(self.sampling), deviation.shape)
        weights = kinds.weights(self.sampling, time, deviation)
        plan = np.stack([*weights, deviation]).astype(np.float32)
        return plan.transpose(0, 2, 1)[..., None, None]

    def _noise(
        self,
        seeds: NDArray[np.uint64],
        temperature: NDArray[np.float32],
        device: torch.device | None,
    ) -> Sequence[Tensor]:
        """Return the start and the noise of the one step, or of all: [B, H, A] each."""
        count = 2 if self.sampling.stochastic == "one" else 1 + self.sampling.steps
        shape = (-1, count, self.horizon, self.width)
        noise = normal(seeds, count * self.horizon * self.width).reshape(shape)
        greedy = np.float32(self.sampling.start == "noise")
        noise[:, 0] *= np.where(temperature > 0, temperature, greedy)[:, None, None]
        return torch.as_tensor(noise, device=device).unbind(1)

    def _drawn(
        self,
        record: Arrays,
        points: Sequence[Tensor],
        velocities: Sequence[Tensor],
        raws: Sequence[Tensor],
    ) -> Steps:
        index = kinds.drawn(self.sampling, record)
        rows = np.arange(len(index))[:, None]
        after = np.concatenate([index, index[:, -1:] + 1], 1)
        chain, velocity = torch.stack([*points], 1)[rows, after], torch.stack([*velocities], 1)
        raw = torch.stack([*raws], 1)[rows, index] if raws else None
        return Steps(chain, velocity[rows, index], raw)

    def _likelihood(self, record: Arrays, steps: Steps) -> Likelihood:
        return likelihood(self.sampling, record, steps.cut(self.chunk, self.dimensions))
