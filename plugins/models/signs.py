"""The policy of the model `latency`: one logistic regression for each action dimension."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import torch as tensor_files
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from rlvla.plugins.waiting import lasting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Array, Arrays, SimulatorSpec
    from rlvla.plugins.models.latency import LatencyModel

WEIGHTS = "signs.safetensors"
_FILES: Any = tensor_files  # safetensors leaves PathLike without its argument


@dataclass
class Scores:
    """A view of recorded decisions."""

    log_prob: Tensor
    entropy: Tensor
    value: Tensor


class Signs(nn.Module):
    """Logits of the upper bounds, and a value, linear in the state."""

    def __init__(self, proprio: int, action_dim: int, *, seed: int) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.policy = nn.Parameter(torch.randn(action_dim, proprio, generator=random) * 0.1)
        self.value_head = nn.Linear(proprio, 1)
        nn.init.zeros_(self.value_head.weight)
        nn.init.zeros_(self.value_head.bias)

    def logits(self, state: Tensor) -> Tensor:
        """Return [B, D]; each row is summed alone, so that none depends on the batch."""
        return (state[:, None, :] * self.policy).sum(-1)

    def value(self, state: Tensor) -> Tensor:
        """Return [B, 1]."""
        weight, bias = self.value_head.weight, self.value_head.bias
        return (state * weight).sum(-1, keepdim=True) + bias


class SignPolicy:
    """Decides on the upper or lower bound of each action dimension; see `interfaces.Policy`."""

    def __init__(self, model: LatencyModel, spec: SimulatorSpec, *, seed: int) -> None:
        self.module = Signs(spec.proprio, spec.action_dim, seed=seed)
        self._model = model
        self._low = np.array(spec.action_low, np.float32)
        self._high = np.array(spec.action_high, np.float32)

    def act(
        self, observations: Arrays, *, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        """Decide for each row, in the time that the model says; see `Policy.act`."""
        with lasting(self._model.generator.seconds(len(seeds)), burn=self._model.burn):
            state = self._tensor(observations["proprio"])
            logits = self._logits(state, temperature)
            noise = self._tensor(self._noise(seeds, temperature))
            upper = logits + noise > 0
            return {
                "action": np.where(upper.cpu().numpy(), self._high, self._low),
                "upper": upper.cpu().numpy(),
                "log_prob": _log_prob(logits, upper).cpu().numpy(),
                "value": self.module.value(state).cpu().numpy(),
                "temperature": temperature,
            }

    def evaluate(self, batch: Arrays) -> Scores:
        """Score decisions, in the time of forward and backward; see `Policy.evaluate`."""
        rows = len(batch["proprio"])
        with lasting(self._model.trainer.seconds(rows), burn=self._model.burn):
            state = self._tensor(batch["proprio"])
            logits = self._logits(state, batch["temperature"])
            log_prob = _log_prob(logits, self._tensor(batch["upper"]))
            entropy = softplus(logits) - logits * torch.sigmoid(logits)
            return Scores(log_prob, entropy, self.module.value(state))

    def value(self, observations: Arrays) -> Tensor:
        """Estimate the return; see `Policy.value`."""
        return self.module.value(self._tensor(observations["proprio"]))

    def imitate(self, batch: Arrays) -> Tensor:
        """Return the cross entropy of the actions' sides; see `Policy.imitate`."""
        middle = (self._low + self._high) / 2
        logits = self._logits(
            self._tensor(batch["proprio"]), np.ones(len(batch["proprio"]), np.float32)
        )
        return -_log_prob(logits, self._tensor(batch["action"] > middle)).mean((1, 2))

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(array).to(self.module.policy.device)

    def save(self, directory: str) -> None:
        """Write the weights; see `Policy.save`."""
        _FILES.save_file(self.module.state_dict(), Path(directory, WEIGHTS))

    def load(self, directory: str) -> None:
        """Restore the weights; see `Policy.load`."""
        self.module.load_state_dict(_FILES.load_file(Path(directory, WEIGHTS)))

    def _logits(self, state: Tensor, temperature: NDArray[np.float32]) -> Tensor:
        """Return [B, C, D], divided by the temperature where that is not 0."""
        divisor = self._tensor(np.where(temperature > 0, temperature, 1).astype(np.float32))
        logits = self.module.logits(state) / divisor[:, None]
        return logits[:, None, :].expand(-1, self._model.chunk, -1)

    def _noise(
        self, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return logistic noise, [B, C, D]: the sign of logit plus noise is a sample."""
        shape = (self._model.chunk, len(self._low))
        rows = [np.random.default_rng(int(seed)).logistic(size=shape) for seed in seeds]
        noise = np.stack(rows).astype(np.float32)
        noise[temperature == 0] = 0.0
        return noise


def _log_prob(logits: Tensor, upper: Tensor) -> Tensor:
    return logsigmoid(torch.where(upper, logits, -logits))
