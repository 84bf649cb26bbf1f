"""The policy of the model `latency`: a normal distribution of each number of a chunk."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from rlvla.plugins.waiting import lasting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Arrays, SimulatorSpec
    from rlvla.plugins.models.latency import LatencyModel

HIDDEN = 16
_FILES = cast("Any", safetensors.torch)  # its types are not complete


class Network(nn.Module):
    """Means [B, C, D], one deviation for each D, and a value [B, 1]."""

    def __init__(self, inputs: int, chunk: int, actions: int) -> None:
        super().__init__()
        self.chunk = chunk
        self.trunk = nn.Linear(inputs + 1, HIDDEN)
        self.policy_head = nn.Linear(HIDDEN, chunk * actions)
        self.value_head = nn.Linear(HIDDEN, 1)
        self.log_std = nn.Parameter(torch.full((actions,), -1.0))

    def forward(self, observations: Arrays) -> tuple[Tensor, Tensor]:
        """Return the means and the value; a constant keeps the input from being empty."""
        state = torch.from_numpy(observations["proprio"])
        hidden = self.trunk(nn.functional.pad(state, (0, 1), value=1.0)).tanh()
        return self.policy_head(hidden).unflatten(1, (self.chunk, -1)), self.value_head(hidden)


@dataclass
class LatencyScores:
    """A view of recorded decisions; see `interfaces.Scores`."""

    log_prob: Tensor
    entropy: Tensor
    value: Tensor


class LatencyPolicy:
    """Samples from noise that a row's seed decides, in the time that the options say."""

    def __init__(self, options: LatencyModel, spec: SimulatorSpec, *, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.module = Network(spec.proprio, options.chunk, spec.action_dim)
        self._options = options
        self._low, self._high = np.array([spec.action_low, spec.action_high], np.float32)

    def act(
        self, observations: Arrays, *, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        """Decide in the generator's time; see `interfaces.Policy`."""
        with lasting(self._options.generator.seconds(len(seeds)), burn=self._options.burn):
            mean, value = self.module(observations)
            scale = self._scale(temperature).expand_as(mean)
            noise = np.stack([_noise(seed, mean.shape[1:]) for seed in seeds])
            noise[temperature == 0] = 0
            sample = mean + scale * torch.from_numpy(noise)
            return {
                "action": np.clip(sample.numpy(), self._low, self._high),
                "sample": sample.numpy(),
                "log_prob": _log_prob(sample, mean, scale).numpy(),
                "value": value.numpy(),
                "temperature": temperature,
            }

    def evaluate(self, batch: Arrays) -> LatencyScores:
        """Score recorded decisions in the trainer's time, which includes the backward pass."""
        rows = len(batch["sample"])
        with lasting(self._options.trainer.seconds(rows), burn=self._options.burn):
            mean, value = self.module(batch)
            scale = self._scale(batch["temperature"]).expand_as(mean)
            entropy = scale.log() + 0.5 * math.log(2 * math.pi * math.e)
            sample = torch.from_numpy(batch["sample"])
            return LatencyScores(_log_prob(sample, mean, scale), entropy, value)

    def value(self, observations: Arrays) -> Tensor:
        """Estimate the return, [B, 1], in no time of its own."""
        value: Tensor = self.module(observations)[1]
        return value

    def imitate(self, batch: Arrays) -> Tensor:
        """Return the mean negative log-likelihood of the actions, [B], in the trainer's time."""
        rows = len(batch["action"])
        with lasting(self._options.trainer.seconds(rows), burn=self._options.burn):
            mean, _ = self.module(batch)
            scale = self.module.log_std.exp().expand_as(mean)
            return -_log_prob(torch.from_numpy(batch["action"]), mean, scale).mean((1, 2))

    def save(self, directory: str) -> None:
        """Write the parameters; see `interfaces.Policy`."""
        _FILES.save_file(self.module.state_dict(), Path(directory, "model.safetensors"))

    def load(self, directory: str) -> None:
        """Read the parameters; see `interfaces.Policy`."""
        self.module.load_state_dict(_FILES.load_file(Path(directory, "model.safetensors")))

    def _scale(self, temperature: NDArray[np.float32]) -> Tensor:
        """Return the deviation of each row, [B, 1, D]; greedy decisions are scored as at 1."""
        factor = torch.from_numpy(np.where(temperature > 0, temperature, np.float32(1)))
        return factor[:, None, None] * self.module.log_std.exp()


def _noise(seed: np.uint64, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.random.default_rng(int(seed)).standard_normal(shape, np.float32)


def _log_prob(sample: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Return ln N(sample; mean, scale): -((x - m) / s)^2 / 2 - ln s - ln(2 pi) / 2."""
    return -(((sample - mean) / scale) ** 2) / 2 - scale.log() - 0.5 * math.log(2 * math.pi)
