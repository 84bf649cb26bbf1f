"""A Gaussian over one action, its deviation a parameter: what small policies share.

With mean m(s) and log-deviation l, an action is m + t exp(l) n, with n standard normal and t the
temperature (0: m itself, scored as at t = 1). The bounds cut what is executed, never what is
recorded: log-probabilities are those of the action before the cut.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.torch as tensor_files
import torch
from torch import Tensor, nn

from rlvla.plugins.models.actor_critic import ActorCritic, Scores
from rlvla.plugins.models.noise import normal, positive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Array, Arrays, SimulatorSpec
    from rlvla.plugins.models.actor_critic import Parts

LOG_ROOT_TWO_PI = 0.5 * math.log(2 * math.pi)
_FILES: Any = tensor_files  # safetensors leaves PathLike without its argument


class Network(ActorCritic):
    """Means [B, D] and values; the deviation is the same for all observations."""

    def __init__(self, parts: Parts, *, dimensions: int, log_std: float) -> None:
        super().__init__(parts)
        self.log_std = nn.Parameter(torch.full((dimensions,), log_std))


class GaussianPolicy:
    """Acts one action at a time; D stochastic elements a decision."""

    def __init__(self, network: Network, spec: SimulatorSpec) -> None:
        self.module = network
        self._low = np.array(spec.action_low, np.float32)
        self._high = np.array(spec.action_high, np.float32)

    @torch.inference_mode()
    def act(
        self, observations: Arrays, *, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        """Decide for each row."""
        mean, value = (one.cpu().numpy() for one in self.module(observations))
        log_std = self.module.log_std.cpu().numpy() + np.log(positive(temperature))[:, None]
        noise = np.where(temperature[:, None] > 0, normal(seeds, mean.shape[1]), np.float32(0))
        sample = mean + np.exp(log_std) * noise
        return {
            "action": np.minimum(np.maximum(sample, self._low), self._high)[:, None],
            "sample": sample[:, None],
            "log_prob": (-0.5 * noise * noise - log_std - np.float32(LOG_ROOT_TWO_PI))[:, None],
            "value": value,
            "temperature": temperature,
        }

    def evaluate(self, batch: Arrays) -> Scores:
        """Score recorded decisions under the present weights."""
        mean, value = self.module(batch)
        log_std = (
            self.module.log_std + self._tensor(np.log(positive(batch["temperature"])))[:, None]
        )
        distance = (self._tensor(batch["sample"])[:, 0] - mean) * (-log_std).exp()
        log_prob = (-LOG_ROOT_TWO_PI - log_std).addcmul(distance, distance, value=-0.5)
        entropy = log_std + (0.5 + LOG_ROOT_TWO_PI)
        return Scores(log_prob[:, None], entropy[:, None], value)

    def value(self, observations: Arrays) -> Tensor:
        """Estimate the return from each observation, [B, 1]."""
        return self.module.value(observations)

    def imitate(self, batch: Arrays) -> Tensor:
        """Return half the squared distance of the actions from the means, mean over D, [B]."""
        mean: Tensor = self.module(batch)[0]
        return 0.5 * (self._tensor(batch["action"])[:, 0] - mean).square().mean(-1)

    def save(self, directory: str) -> None:
        """Write a checkpoint that the option `checkpoint` can name."""
        _FILES.save_file(self.module.state_dict(), Path(directory, "model.safetensors"))

    def load(self, directory: str) -> None:
        """Restore what `save` wrote, bit for bit."""
        self.module.load_state_dict(_FILES.load_file(Path(directory, "model.safetensors")))

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(array).to(self.module.device)
