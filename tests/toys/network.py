"""The policy of the model `tiny`; its results for a row do not depend on the rest of a batch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Arrays

_FILES = cast("Any", safetensors.torch)  # its types are not complete
BINS = 5
FEATURES = 4


class Linear(nn.Module):
    """A linear layer that sums each row alone, so that no result depends on the batch."""

    def __init__(self, outputs: int, random: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, FEATURES, generator=random) * 0.1)

    def forward(self, rows: Tensor) -> Tensor:
        total = rows[:, :1] * self.weight[:, 0]
        for column in range(1, FEATURES):
            total = total + rows[:, column : column + 1] * self.weight[:, column]
        return total


class Network(nn.Module):
    """Logits of the bins and a value."""

    def __init__(self, chunk: int, *, seed: int) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.chunk = chunk
        self.policy_head = Linear(chunk * BINS, random)
        self.value_head = Linear(1, random)


@dataclass
class Scores:
    """A view of recorded decisions."""

    log_prob: Tensor
    entropy: Tensor
    value: Tensor


class TinyPolicy:
    """Samples by the Gumbel trick from noise that only a row's seed decides."""

    def __init__(self, module: Network, fault: str = "none") -> None:
        self.module = module
        self._fault = fault
        self._calls = {"act": 0, "evaluate": 0}

    def act(
        self, observations: Arrays, *, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        self._count("act")
        features = _features(observations)
        log_probs = self._log_probs(features, temperature)
        noise = np.where(temperature[:, None, None] > 0, _gumbel(seeds, self.module.chunk), 0)
        tokens = (log_probs + torch.tensor(noise)).argmax(-1, keepdim=True)
        return {
            "action": (tokens.numpy() / 2 - 1).astype(np.float32),
            "tokens": tokens.numpy(),
            "log_prob": log_probs.gather(-1, tokens).numpy(),
            "value": self.module.value_head(features).numpy(),
            "temperature": temperature,
        }

    def evaluate(self, batch: Arrays) -> Scores:
        self._count("evaluate")
        features = _features(batch)
        log_probs = self._log_probs(features, batch["temperature"])
        chosen = log_probs.gather(-1, torch.tensor(batch["tokens"]))
        entropy = -(log_probs.exp() * log_probs).sum(-1, keepdim=True)
        return Scores(chosen, entropy, self.module.value_head(features))

    def value(self, observations: Arrays) -> Tensor:
        value: Tensor = self.module.value_head(_features(observations))
        return value

    def imitate(self, batch: Arrays) -> Tensor:
        tokens = torch.tensor(np.rint(batch["action"] * 2 + 2).astype(np.int64))
        log_probs = self._log_probs(_features(batch), np.ones(len(tokens), np.float32))
        return -log_probs.gather(-1, tokens).mean((1, 2))

    def save(self, directory: str) -> None:
        _FILES.save_file(self.module.state_dict(), Path(directory, "tiny.safetensors"))

    def load(self, directory: str) -> None:
        self.module.load_state_dict(_FILES.load_file(Path(directory, "tiny.safetensors")))

    def _log_probs(self, features: Tensor, temperature: NDArray[np.float32]) -> Tensor:
        logits: Tensor = self.module.policy_head(features)
        divisor = torch.tensor(np.where(temperature > 0, temperature, 1).astype(np.float32))
        shaped = logits.reshape(len(features), self.module.chunk, BINS) / divisor[:, None, None]
        return shaped.log_softmax(-1)

    def _count(self, method: str) -> None:
        self._calls[method] += 1
        wanted, _, number = self._fault.partition(":")
        if wanted == f"{method}!":
            raise RuntimeError("the network is broken")
        if wanted == method and self._calls[method] >= int(number):
            os._exit(9)


def _features(observations: Arrays) -> Tensor:
    x = observations["proprio"][:, 0]
    side = np.where(observations["instruction"][:, 3] == ord("r"), 1, -1).astype(np.float32)
    return torch.tensor(np.stack([x, side, x * side, np.ones_like(x)], 1))


def _gumbel(seeds: NDArray[np.uint64], chunk: int) -> NDArray[np.float32]:
    rows = [np.random.default_rng(int(seed)).gumbel(size=(chunk, BINS)) for seed in seeds]
    return np.stack(rows).astype(np.float32)
