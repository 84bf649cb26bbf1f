"""A choice among whole numbers for each dimension of one action, by a softmax of its own.

Logits are divided by the temperature. At 0 the likeliest number is chosen, scored as at 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.torch as tensor_files
import torch

from rlvla.plugins.models.actor_critic import Scores
from rlvla.plugins.models.noise import positive, uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from rlvla.core.types import Arrays, SimulatorSpec
    from rlvla.plugins.models.actor_critic import ActorCritic

IMPOSSIBLE = -1e9
"""The logit of a number beyond a dimension's largest: finite, so that its entropy is 0."""
_FILES: Any = tensor_files  # safetensors leaves PathLike without its argument


def choices(spec: SimulatorSpec) -> tuple[int, int]:
    """Return D and the numbers of the dimension that has most; the actor has a logit for each."""
    ranges = zip(spec.action_low, spec.action_high, strict=True)
    return spec.action_dim, max(round(high - low) + 1 for low, high in ranges)


class CategoricalPolicy:
    """Acts one action at a time; D stochastic elements a decision."""

    def __init__(self, network: ActorCritic, spec: SimulatorSpec) -> None:
        self.module = network
        self._shape = choices(spec)
        self._low = np.array(spec.action_low, np.float32)
        high = np.array(spec.action_high, np.float32)
        possible = np.arange(self._shape[1]) <= (high - self._low)[:, None]
        self._impossible = torch.from_numpy(np.where(possible, 0, IMPOSSIBLE).astype(np.float32))

    @torch.inference_mode()
    def act(
        self, observations: Arrays, *, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        """Decide for each row."""
        log_probs, value = self._scored(observations, temperature)
        likely = log_probs.cpu().numpy()
        reached = np.exp(likely.astype(np.float64)).cumsum(-1)
        drawn = uniform(seeds, self._shape[0])[..., None] * reached[..., -1:]
        chosen = likely.argmax(-1)
        sampled: NDArray[np.intp] = np.sum(reached < drawn, axis=-1)
        chosen[temperature > 0] = sampled[temperature > 0]
        return {
            "action": (self._low + chosen).astype(np.float32)[:, None],
            "log_prob": np.take_along_axis(likely, chosen[..., None], -1)[:, None, :, 0],
            "value": value.cpu().numpy(),
            "temperature": temperature,
        }

    def evaluate(self, batch: Arrays) -> Scores:
        """Score recorded decisions under the present weights."""
        log_probs, value = self._scored(batch, batch["temperature"])
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        return Scores(self._of_chosen(log_probs, batch)[:, None], entropy[:, None], value)

    def value(self, observations: Arrays) -> Tensor:
        """Estimate the return from each observation, [B, 1]."""
        return self.module.value(observations)

    def imitate(self, batch: Arrays) -> Tensor:
        """Return the cross entropy of the actions, mean over D, [B]."""
        temperature = np.ones(len(batch["action"]), np.float32)
        return -self._of_chosen(self._scored(batch, temperature)[0], batch).mean(-1)

    def save(self, directory: str) -> None:
        """Write a checkpoint that the option `checkpoint` can name."""
        _FILES.save_file(self.module.state_dict(), Path(directory, "model.safetensors"))

    def load(self, directory: str) -> None:
        """Restore what `save` wrote, bit for bit."""
        self.module.load_state_dict(_FILES.load_file(Path(directory, "model.safetensors")))

    def _scored(self, batch: Arrays, temperature: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Return log-probabilities of all numbers, [B, D, M], and values."""
        said, value = self.module(batch)
        divisor = torch.from_numpy(positive(temperature)).to(said.device)[:, None, None]
        logits = said.reshape(-1, *self._shape) / divisor + self._impossible.to(said.device)
        return logits.log_softmax(-1), value

    def _of_chosen(self, log_probs: Tensor, batch: Arrays) -> Tensor:
        """Return those of the actions in `batch`, [B, D]."""
        chosen = np.rint(batch["action"][:, 0] - self._low).astype(np.int64)
        return log_probs.gather(-1, torch.from_numpy(chosen).to(log_probs.device)[..., None])[
            ..., 0
        ]
