"""The policy: acting, scoring recorded decisions, values and imitation, a chunk at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from rlvla.plugins.models.computing import computed, precise
from rlvla.plugins.models.openvla.actions import tokens_of
from rlvla.plugins.models.openvla.policy import OpenVLAPolicy, Scores
from rlvla.plugins.models.openvla.sampling import gumbel, pick

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from rlvla.core.types import Arrays
    from rlvla.plugins.models.compute import Compute
    from rlvla.plugins.models.openvla.reading import Reading
    from rlvla.plugins.models.openvla_oft.interface import Extent
    from rlvla.plugins.models.openvla_oft.network import ParallelNetwork


class ParallelPolicy(OpenVLAPolicy):
    """Acts C actions of D elements in one pass; no element sees another."""

    module: ParallelNetwork

    def __init__(
        self, network: ParallelNetwork, reading: Reading, compute: Compute, extent: Extent
    ) -> None:
        super().__init__(network, reading, compute)
        self.module = network
        self.extent = extent

    @property
    def statistics(self) -> dict[str, object]:
        """What a checkpoint says of the numbers of this policy's robot."""
        if self.module.proprio_projector is None:
            return super().statistics
        bounds, scale = self.reading.view.conventions.bounds, self.extent.proprio
        plain = None if scale is None else scale.plain(bounds)
        return super().statistics | {"proprio": plain}

    @torch.inference_mode()
    @computed
    def act(
        self, observations: Arrays, *, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        """Decide for each row; a regression needs neither seeds nor temperature.

        Temperature 0 takes the likeliest tokens; their log-probs are those at temperature 1.
        """
        hidden = self._answers(observations)
        value: NDArray[np.generic] = self._value(hidden[:, :1], observations).float().cpu().numpy()
        if self.module.action_head is not None:
            unit = self._regressed(hidden).double().cpu().numpy()
            action = self.reading.statistics.restore(unit)
            cut = np.clip(action, self.extent.low, self.extent.high)
            return {"action": cut.astype(np.float32), "value": value}
        noise = self._tensor(gumbel(seeds, temperature, hidden.shape[1]))
        tokens, log_prob = pick(
            self.module, hidden, noise=noise, divisor=self._divisor(temperature)
        )
        shape = (len(tokens), self.extent.chunk, -1)
        decided = self._decided(tokens.view(shape), log_prob.view(shape), temperature)
        return decided | {"value": value}

    @computed
    def evaluate(self, batch: Arrays) -> Scores:
        """Score recorded decisions under the present weights; raise ValueError for a regression."""
        if self.module.action_head is not None:
            raise ValueError(
                "head 'l1' has no density that decisions could be scored with; 'discrete' has"
            )
        return self._scored(self._answers(batch), self._tensor(batch["tokens"]), batch)

    @computed
    def imitate(self, batch: Arrays) -> Tensor:
        """Return the loss of the actions, mean over what was executed, [B].

        The cross-entropy of their tokens, or the distance of numbers in [-1, 1].
        """
        hidden, statistics = self._answers(batch), self.reading.statistics
        if self.module.action_head is not None:
            unit = self._tensor(statistics.unit(batch["action"]).astype(np.float32))
            loss: Tensor = (self._regressed(hidden) - unit).abs()
        else:
            ids = tokens_of(batch["action"], statistics, self._vocabulary)
            loss = self._cross_entropy(hidden, self._tensor(ids))
        valid = batch.get("valid", np.ones(loss.shape[:2], np.bool_))
        weight = self._tensor(valid.astype(np.float32))
        return (loss.mean(-1) * weight).sum(1) / weight.sum(1).clamp(min=1)

    def remembered(self, observations: Arrays) -> list[Tensor]:
        """Return nothing: there is one pass; see `footprint.Outline`."""
        del observations
        return []

    def _regressed(self, hidden: Tensor) -> Tensor:
        """Return actions in [-1, 1], [B, C, D]."""
        if self.module.action_head is None:
            raise RuntimeError("there is no action head")
        with precise(hidden.device):
            unit: Tensor = self.module.action_head(hidden.float())
        return unit

    def _first(self, observations: Arrays) -> Tensor:
        return self._answers(observations)[:, :1]

    def _answers(self, observations: Arrays) -> Tensor:
        """Return the hidden states of all elements of the chunk, [B, C * D, width]."""
        slots = self.extent.chunk * len(self.reading.statistics.low)
        return self.module.answers(self._prefix(observations), slots)

    def _more(self, observations: Arrays) -> list[Tensor]:
        if self.module.proprio_projector is None:
            return []
        proprio, scale = observations["proprio"], self.extent.proprio
        shown = proprio if scale is None else scale.unit(proprio).astype(np.float32)
        return [self.module.proprio_projector(self._tensor(shown))]
