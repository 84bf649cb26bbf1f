"""Drawing action tokens, with noise that only a row's seed decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from rlvla.plugins.models.openvla.decoder import Cache
from rlvla.plugins.models.openvla.presets import BINS

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray
    from torch import Tensor

    from rlvla.plugins.models.openvla.network import Network, Sequence


@dataclass(frozen=True)
class Sample:
    """Tokens drawn for a batch."""

    tokens: Tensor
    """Ids of the vocabulary, int64 [B, D]."""
    log_prob: Tensor
    """Of each token under the tempered distribution, [B, D]."""
    first: Tensor
    """The hidden state that predicted the first token, [B, 1, width]."""


def draw(network: Network, sequence: Sequence, *, noise: Tensor, divisor: Tensor) -> Sample:
    """Draw D tokens after `sequence`; each sees those before it.

    `noise` [B, D, 256] is added to the log-probs of the bins and the largest sum wins;
    `divisor` [B, 1, 1] divides their logits.
    """
    dimensions = noise.shape[1]
    cache = Cache(sequence.valid.shape[1] + dimensions - 1)
    first = hidden = network.hidden(sequence, last=1, cache=cache)
    tokens, log_probs = list["Tensor"](), list["Tensor"]()
    for place in range(dimensions):
        if place:
            embedding = network.embed(tokens[-1])
            sequence = sequence.followed_by(embedding)
            hidden = network.next_hidden(embedding, sequence, cache)
        token, log_prob = pick(network, hidden, noise=noise[:, place, None], divisor=divisor)
        tokens.append(token)
        log_probs.append(log_prob)
    return Sample(torch.cat(tokens, 1), torch.cat(log_probs, 1), first)


def pick(
    network: Network, hidden: Tensor, *, noise: Tensor, divisor: Tensor
) -> tuple[Tensor, Tensor]:
    """Return a token for each hidden state [B, n, width] and its log-prob, both [B, n]."""
    scores = (network.bin_logits(hidden) / divisor).log_softmax(-1)
    chosen = (scores + noise).argmax(-1)
    return chosen + network.architecture.bins.start, scores.gather(-1, chosen[..., None])[..., 0]


def gumbel(
    seeds: NDArray[np.uint64], temperature: NDArray[np.floating[Any]], dimensions: int
) -> NDArray[np.float32]:
    """Return each row's Gumbel noise [B, D, 256]; zeros where the temperature [B] is 0."""
    uniform = np.stack([_uniform(int(seed), dimensions * BINS) for seed in seeds])
    noise = -np.log(-np.log(np.maximum(uniform, np.finfo(np.float64).tiny)))
    sampled = np.where(temperature[:, None] > 0, noise, 0.0)
    return sampled.astype(np.float32).reshape(-1, dimensions, BINS)


def _uniform(seed: int, count: int) -> NDArray[np.float64]:
    return np.random.Generator(np.random.Philox(key=seed)).random(count)
