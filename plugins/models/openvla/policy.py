"""The policy: acting, scoring recorded decisions, values and imitation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rlvla.plugins.models.computing import computed, place, precise
from rlvla.plugins.models.openvla.actions import actions_of, tokens_of
from rlvla.plugins.models.openvla.checkpoint import restore, save_checkpoint
from rlvla.plugins.models.openvla.decoder import Cache
from rlvla.plugins.models.openvla.sampling import draw, gumbel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Array, Arrays
    from rlvla.plugins.models.compute import Compute
    from rlvla.plugins.models.openvla.network import Network, Sequence
    from rlvla.plugins.models.openvla.reading import Reading

PRECISE = ("value_head", "action_head", "language_model.lm_head")
"""Modules that are computed in float32."""


@dataclass
class Scores:
    """A view of recorded decisions, differentiable."""

    log_prob: Tensor
    """[B, C, D], per token, at the recorded temperature."""
    entropy: Tensor
    """[B, C, D], of the distribution that was sampled from."""
    value: Tensor
    """[B, V]."""


class OpenVLAPolicy:
    """Acts one action of D tokens at a time; each token sees those before it."""

    def __init__(self, network: Network, reading: Reading, compute: Compute) -> None:
        self.module = network
        self.compute = compute
        self.reading = reading
        self._vocabulary = network.architecture.decoder.vocabulary
        self._bins = network.architecture.bins

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.module.projector.fc1.weight.device

    def place(self, device: torch.device, *, trains: bool) -> None:
        """Move to the device; see `interfaces.Placeable`."""
        place(self.module, device, self.compute, trains=trains, precise=PRECISE)
        if trains:
            self.compute = replace(self.compute, compile=False)

    @property
    def statistics(self) -> dict[str, object]:
        """What a checkpoint says of the numbers of this policy's robot."""
        reading = self.reading
        return {"action": reading.statistics.plain(reading.view.conventions.bounds)}

    @torch.inference_mode()
    @computed
    def act(
        self, observations: Arrays, *, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        """Decide for each row.

        Temperature 0 takes the likeliest tokens; their log-probs are those at temperature 1.
        """
        noise = gumbel(seeds, temperature, len(self.reading.statistics.low))
        sample = draw(
            self.module,
            self._prefix(observations),
            noise=self._tensor(noise),
            divisor=self._divisor(temperature),
        )
        return self._decided(sample.tokens[:, None], sample.log_prob[:, None], temperature) | {
            "value": self._value(sample.first, observations).float().cpu().numpy()
        }

    @computed
    def evaluate(self, batch: Arrays) -> Scores:
        """Score recorded decisions under the present weights, in one teacher-forced pass."""
        tokens = self._tensor(batch["tokens"])
        hidden = self._teach(batch, tokens[:, 0])
        return self._scored(hidden, tokens, batch)

    @computed
    def value(self, observations: Arrays) -> Tensor:
        """Estimate the return from each observation, [B, V]."""
        if self.reading.critic.kind == "privileged":
            return self._privileged_value(observations)
        return self._value(self._first(observations), observations)

    @computed
    def imitate(self, batch: Arrays) -> Tensor:
        """Return the cross-entropy of the actions' tokens, mean over D, [B]."""
        ids = tokens_of(batch["action"], self.reading.statistics, self._vocabulary)
        tokens = self._tensor(ids)
        return self._cross_entropy(self._teach(batch, tokens[:, 0]), tokens).mean((1, 2))

    @computed
    def remembered(self, observations: Arrays) -> list[Tensor]:
        """Return keys and values of a decision; see `footprint.Outline`."""
        sequence = self._prefix(observations)
        cache = Cache(sequence.valid.shape[1] + len(self.reading.statistics.low) - 1)
        self.module.hidden(sequence, last=1, cache=cache)
        return [one for layer in cache.layers for one in layer]

    def save(self, directory: str) -> None:
        """Write a checkpoint that the option `checkpoint` can name."""
        save_checkpoint(self, directory)

    def load(self, directory: str) -> None:
        """Restore what `save` wrote, bit for bit."""
        restore(self.module, Path(directory))

    def _teach(self, batch: Arrays, tokens: Tensor) -> Tensor:
        """Return the hidden states [B, D, width] that predict `tokens` [B, D]."""
        sequence = self._prefix(batch).followed_by(self.module.embed(tokens[:, :-1]))
        return self.module.hidden(sequence, last=tokens.shape[1])

    def _prefix(self, observations: Arrays) -> Sequence:
        reading = self.reading
        views = [
            reading.view(self._tensor(observations[f"image/{name}"])) for name in reading.cameras
        ]
        prompts = reading.prompter(observations["instruction"])
        even = not self.compute.compile and bool((prompts.lengths == prompts.ids.shape[1]).all())
        lengths = self._tensor(prompts.lengths[:1] if even else prompts.lengths)
        ids = self._tensor(prompts.ids)
        tokens = [self.module.patches(views), *self._more(observations)]
        return self.module.prefix(torch.cat(tokens, 1), ids, lengths)

    def _more(self, observations: Arrays) -> list[Tensor]:
        """Return what stands between patches and prompt, [B, n, width] each."""
        del observations
        return []

    def _first(self, observations: Arrays) -> Tensor:
        """Return the hidden state that predicts the first action token, [B, 1, width]."""
        return self.module.hidden(self._prefix(observations), last=1)

    def _decided(
        self, tokens: Tensor, log_prob: Tensor, temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        """Return the record of tokens [B, C, D] without its value."""
        ids: NDArray[np.int64] = tokens.cpu().numpy()
        return {
            "action": actions_of(ids, self.reading.statistics, self._vocabulary).astype(np.float32),
            "tokens": ids,
            "log_prob": log_prob.cpu().numpy(),
            "temperature": np.asarray(temperature, np.float32),
        }

    def _scored(self, hidden: Tensor, tokens: Tensor, batch: Arrays) -> Scores:
        """Score tokens [B, C, D]; the hidden states [B, C * D, width] predict them in order."""
        logits = self.module.bin_logits(hidden) / self._divisor(batch["temperature"])
        scores = logits.log_softmax(-1).view(*tokens.shape, -1)
        entropy = -(scores.exp() * scores).sum(-1)
        chosen = scores.gather(-1, (tokens - self._bins.start)[..., None])[..., 0]
        return Scores(chosen, entropy, self._value(hidden[:, :1], batch))

    def _cross_entropy(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """Return the loss [B, C, D] of tokens [B, C, D]."""
        logits, target = self.module.bin_logits(hidden), (tokens - self._bins.start).flatten(1)
        loss = functional.cross_entropy(logits.transpose(1, 2), target, reduction="none")
        return loss.view(tokens.shape)

    def _value(self, first: Tensor, observations: Arrays) -> Tensor:
        """Return [B, V]; `first` [B, 1, width] predicts the first action token."""
        if self.reading.critic.kind == "privileged":
            return self._privileged_value(observations)
        seen = first[:, 0].float()
        with precise(seen.device):
            value: Tensor = self.module.value_head(
                seen.detach() if self.reading.critic.detach else seen
            )
        return value

    def _privileged_value(self, observations: Arrays) -> Tensor:
        with precise(self.device):
            value: Tensor = self.module.value_head(self._tensor(observations["privileged"]))
        return value

    def _divisor(self, temperature: Array) -> Tensor:
        positive = np.where(temperature > 0, temperature, 1.0).astype(np.float32)
        return self._tensor(positive)[:, None, None]

    def _tensor(self, array: Array) -> Tensor:
        # A copy: slots are shared memory that others write to.
        return torch.tensor(array).to(self.device)
