"""The policy: acting, scoring recorded decisions, values and imitation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rlvla.plugins.models.openvla.actions import actions_of, tokens_of
from rlvla.plugins.models.openvla.checkpoint import restore, save_checkpoint
from rlvla.plugins.models.openvla.sampling import draw, gumbel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Array, Arrays
    from rlvla.plugins.models.openvla.actions import Statistics
    from rlvla.plugins.models.openvla.network import Network, Sequence
    from rlvla.plugins.models.openvla.prompt import Prompter


@dataclass
class Scores:
    """A view of recorded decisions, differentiable."""

    log_prob: Tensor
    """[B, 1, D], per token, at the recorded temperature."""
    entropy: Tensor
    """[B, 1, D], of the distribution that was sampled from."""
    value: Tensor
    """[B, 1]."""


@dataclass(frozen=True)
class Reading:
    """How arrays become inputs, and tokens actions."""

    cameras: tuple[str, ...]
    prompter: Prompter
    statistics: Statistics
    dimensions: int
    """D."""
    critic: Literal["head", "privileged"]
    """Where the value comes from."""
    detach: bool
    """The value head's gradients stay out of the backbone."""


class OpenVLAPolicy:
    """Acts one action of D tokens at a time; each token sees those before it."""

    def __init__(self, network: Network, reading: Reading) -> None:
        self.module = network
        self.reading = reading
        self._vocabulary = network.architecture.decoder.vocabulary
        self._bins = network.architecture.bins

    @torch.inference_mode()
    def act(
        self, observations: Arrays, *, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        """Decide for each row.

        Temperature 0 takes the likeliest tokens; their log-probs are those at temperature 1.
        """
        noise = gumbel(seeds, temperature, self.reading.dimensions)
        sample = draw(
            self.module,
            self._prefix(observations),
            noise=self._tensor(noise),
            divisor=self._divisor(temperature),
        )
        ids: NDArray[np.int64] = sample.tokens[:, None].cpu().numpy()
        return {
            "action": actions_of(ids, self.reading.statistics, self._vocabulary).astype(np.float32),
            "tokens": ids,
            "log_prob": sample.log_prob[:, None].cpu().numpy(),
            "value": self._value(sample.first, observations).float().cpu().numpy(),
            "temperature": np.asarray(temperature, np.float32),
        }

    def evaluate(self, batch: Arrays) -> Scores:
        """Score recorded decisions under the present weights, in one teacher-forced pass."""
        tokens = self._tensor(batch["tokens"])[:, 0]
        hidden = self._teach(batch, tokens)
        logits = self.module.bin_logits(hidden) / self._divisor(batch["temperature"])
        scores = logits.log_softmax(-1)
        entropy = -(scores.exp() * scores).sum(-1)
        chosen = scores.gather(-1, (tokens - self._bins.start)[..., None])[..., 0]
        return Scores(chosen[:, None], entropy[:, None], self._value(hidden[:, :1], batch))

    def value(self, observations: Arrays) -> Tensor:
        """Estimate the return from each observation, [B, 1]."""
        if self.reading.critic == "privileged":
            return self._privileged_value(observations)
        return self._value(self.module.hidden(self._prefix(observations), last=1), observations)

    def imitate(self, batch: Arrays) -> Tensor:
        """Return the cross-entropy of the actions' tokens, mean over D, [B]."""
        ids = tokens_of(batch["action"][:, 0], self.reading.statistics, self._vocabulary)
        tokens = self._tensor(ids)
        logits = self.module.bin_logits(self._teach(batch, tokens))
        target = tokens - self._bins.start
        return functional.cross_entropy(logits.transpose(1, 2), target, reduction="none").mean(-1)

    def save(self, directory: str) -> None:
        """Write a checkpoint that the option `checkpoint` can name."""
        save_checkpoint(self, directory)

    def load(self, directory: str) -> None:
        """Restore what `save` wrote, bit for bit."""
        restore(self.module, Path(directory), critic=self.reading.critic)

    def _teach(self, batch: Arrays, tokens: Tensor) -> Tensor:
        """Return the hidden states [B, D, width] that predict `tokens` [B, D]."""
        sequence = self._prefix(batch).followed_by(self.module.embed(tokens[:, :-1]))
        return self.module.hidden(sequence, last=tokens.shape[1])

    def _prefix(self, observations: Arrays) -> Sequence:
        images = [self._tensor(observations[f"image/{name}"]) for name in self.reading.cameras]
        prompts = self.reading.prompter(observations["instruction"])
        ids, lengths = self._tensor(prompts.ids), self._tensor(prompts.lengths)
        return self.module.prefix(self.module.patches(images), ids, lengths)

    def _value(self, first: Tensor, observations: Arrays) -> Tensor:
        """Return [B, 1]; `first` [B, 1, width] predicts the first action token."""
        if self.reading.critic == "privileged":
            return self._privileged_value(observations)
        value: Tensor = self.module.value_head(
            first[:, 0].detach() if self.reading.detach else first[:, 0]
        )
        return value

    def _privileged_value(self, observations: Arrays) -> Tensor:
        value: Tensor = self.module.value_head(self._tensor(observations["privileged"]))
        return value

    def _divisor(self, temperature: Array) -> Tensor:
        positive = np.where(temperature > 0, temperature, 1.0).astype(np.float32)
        return self._tensor(positive)[:, None, None]

    def _tensor(self, array: Array) -> Tensor:
        device = self.module.projector.fc1.weight.device
        # A copy: slots are shared memory that others write to.
        return torch.tensor(array).to(device)
