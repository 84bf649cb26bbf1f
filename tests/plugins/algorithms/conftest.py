from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from rlvla.core.types import Array, Arrays

SENSES, TOKENS = 5, 4


@dataclass
class TinyScores:
    log_prob: Tensor
    entropy: Tensor
    value: Tensor


class TinyPolicy(nn.Module):
    """A linear policy over tokens in float64; `disturbance` is added to what it scores."""

    def __init__(self, *, chunk: int, elements: int, values: int) -> None:
        super().__init__()
        self.shape = (chunk, elements, TOKENS)
        self.token_head = nn.Linear(SENSES, chunk * elements * TOKENS, dtype=torch.float64)
        self.value_head = nn.Linear(SENSES, values, dtype=torch.float64)
        random = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.5, generator=random)

    @property
    def module(self) -> nn.Module:
        return self

    def act(
        self, observations: Arrays, *, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        logits = self._logits(observations).detach().numpy()
        noise = [np.random.default_rng(seed).gumbel(size=self.shape) for seed in seeds]
        tokens = (logits + temperature[:, None, None, None] * np.stack(noise)).argmax(-1)
        scores = self.evaluate({**observations, "tokens": tokens})
        return {
            "action": tokens.astype(np.float32),
            "tokens": tokens,
            "log_prob": scores.log_prob.detach().numpy(),
            "value": scores.value.detach().numpy(),
        }

    def evaluate(self, batch: Arrays) -> TinyScores:
        log_probs = self._logits(batch).log_softmax(-1)
        tokens = torch.as_tensor(batch["tokens"])[..., None]
        disturbance = torch.as_tensor(batch.get("disturbance", np.zeros(self.shape[:2])))
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        log_prob = log_probs.gather(-1, tokens)[..., 0]
        return TinyScores(log_prob + disturbance, entropy + disturbance, self.value(batch))

    def value(self, observations: Arrays) -> Tensor:
        value: Tensor = self.value_head(torch.as_tensor(observations["proprio"]))
        return value

    def imitate(self, batch: Arrays) -> Tensor:
        return -self.evaluate(batch).log_prob.mean((1, 2))

    def save(self, directory: str) -> None:
        arrays = {name: one.detach().numpy() for name, one in self.named_parameters()}
        np.savez(Path(directory, "tiny.npz"), allow_pickle=False, **arrays)

    def load(self, directory: str) -> None:
        with np.load(Path(directory, "tiny.npz")) as arrays:
            self.load_state_dict({name: torch.as_tensor(arrays[name]) for name in arrays})

    def _logits(self, observations: Arrays) -> Tensor:
        logits: Tensor = self.token_head(torch.as_tensor(observations["proprio"]))
        return logits.reshape(-1, *self.shape)


@pytest.fixture
def make_policy() -> Callable[..., TinyPolicy]:
    """Build a policy of `chunk` actions of `elements` tokens, with `values` values."""
    return TinyPolicy


@pytest.fixture
def make_batch() -> Callable[..., dict[str, Array]]:
    """Let a policy decide, then disturb the record: as if its weights had been others."""
    return _batch


def _batch(policy: TinyPolicy, *, size: int, drift: float = 0.0, seed: int = 0) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    seeds = np.arange(size, dtype=np.uint64)
    observations = {"proprio": random.normal(size=(size, SENSES))}
    batch: dict[str, Array] = {
        **observations,
        **policy.act(observations, seeds=seeds, temperature=np.ones(size, np.float32)),
    }
    valid = np.arange(policy.shape[0]) < random.integers(1, policy.shape[0] + 1, size)[:, None]
    batch["valid"] = valid
    batch["log_prob"] = batch["log_prob"] + drift * random.normal(size=batch["log_prob"].shape)
    batch["value"] = batch["value"] + drift * random.normal(size=batch["value"].shape)
    known = valid if batch["value"].shape == valid.shape else valid[:, :1]
    for target in ("advantage", "return"):
        batch[target] = np.where(known, random.normal(size=known.shape), np.nan)
    return batch
