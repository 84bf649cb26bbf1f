"""The policy of the stale bandit: several networks side by side, one for each seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rlvla.core.types import Array, Arrays

CONTEXT, TOKENS, VALUES, HIDDEN = 8, 4, 16, 64


@dataclass
class Scores:
    """A view of recorded decisions, differentiable."""

    log_prob: Tensor
    """[B, 1, TOKENS]."""
    entropy: Tensor
    """[B, 1, TOKENS]."""
    value: Tensor
    """[B, 1], 0: there is no critic."""


class Networks(nn.Module):
    """Two tanh layers and logits, of every seed its own."""

    def __init__(self, seeds: Sequence[int]) -> None:
        super().__init__()
        widths = [CONTEXT, HIDDEN, HIDDEN, TOKENS * VALUES]
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for before, after in pairwise(widths):
            drawn = [torch.rand(before, after, generator=one) * 2 - 1 for one in generators]
            self.weights.append(nn.Parameter(torch.stack(drawn) / math.sqrt(before)))
            self.biases.append(nn.Parameter(torch.zeros(len(seeds), 1, after)))

    def forward(self, context: Tensor) -> Tensor:
        """Return log-probabilities [seeds, N, TOKENS, VALUES] for contexts [seeds, N, CONTEXT]."""
        *hidden, last = zip(self.weights, self.biases, strict=True)
        for weight, bias in hidden:
            context = torch.baddbmm(bias, context, weight).tanh()
        logits = torch.baddbmm(last[1], context, last[0])
        return logits.view(*logits.shape[:2], TOKENS, VALUES).log_softmax(-1)


class BanditPolicy:
    """Decides on TOKENS tokens at once; rows are those of the first seed, the second, ..."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.module = Networks(seeds)
        self._seeds = len(seeds)

    def draw(self, context: NDArray[np.float32], noise: NDArray[np.float32]) -> dict[str, Array]:
        """Return decisions on contexts [seeds, N, CONTEXT] with Gumbel noise, and their record."""
        with torch.no_grad():
            scores = self.module(torch.from_numpy(context))
            tokens = (scores + torch.from_numpy(noise)).argmax(-1, keepdim=True)
            log_prob = scores.gather(-1, tokens)
        rows = context.shape[0] * context.shape[1]
        return {
            "proprio": context.reshape(rows, CONTEXT),
            "tokens": tokens.reshape(rows, 1, TOKENS).numpy(),
            "log_prob": log_prob.reshape(rows, 1, TOKENS).numpy(),
            "valid": np.ones((rows, 1), np.bool_),
            "value": np.zeros((rows, 1), np.float32),
            "return": np.zeros((rows, 1), np.float32),
        }

    def evaluate(self, batch: Arrays) -> Scores:
        """Score recorded decisions under the present weights."""
        context = torch.from_numpy(batch["proprio"]).view(self._seeds, -1, CONTEXT)
        tokens = torch.from_numpy(batch["tokens"]).view(self._seeds, -1, TOKENS, 1)
        scores = self.module(context)
        rows = (len(batch["tokens"]), 1, TOKENS)
        entropy = -(scores.exp() * scores).sum(-1)
        value = scores.new_zeros(len(batch["tokens"]), 1)
        return Scores(scores.gather(-1, tokens).view(rows), entropy.view(rows), value)
