"""The policy of `flow_mlp`: acts a chunk of C actions with D stochastic elements each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.torch as tensor_files
import torch
from torch import Tensor

from rlvla.plugins.models.flow.matching import lesson
from rlvla.plugins.models.flow.sampler import Sampler

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Array, Arrays, SimulatorSpec
    from rlvla.plugins.models.flow.network import FlowNetwork
    from rlvla.plugins.models.flow.sampling import FlowSampling

_FILES: Any = tensor_files  # safetensors leaves PathLike without its argument


@dataclass
class Scores:
    """A view of recorded decisions, differentiable."""

    log_prob: Tensor
    """[B, C, D]."""
    entropy: Tensor
    """[B, C, D]."""
    value: Tensor
    """[B, 1]."""


class FlowPolicy:
    """Denoises in units in which the simulator's bounds are -1 and 1.

    The bounds cut what is executed, never what is recorded.
    """

    def __init__(self, network: FlowNetwork, sampling: FlowSampling, spec: SimulatorSpec) -> None:
        self.module = network
        self.sampler = Sampler(
            sampling=sampling,
            horizon=network.chunk,
            width=network.dimensions,
            chunk=network.chunk,
            dimensions=network.dimensions,
        )
        self._low = np.array(spec.action_low, np.float32)
        self._high = np.array(spec.action_high, np.float32)

    @torch.inference_mode()
    def act(
        self, observations: Arrays, *, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        """Decide for each row."""
        state = self._tensor(observations["proprio"])
        denoiser = self.module.denoiser(state)
        drawn = self.sampler.draw(
            denoiser, seeds=seeds, temperature=temperature, device=state.device
        )
        middle, half = (self._high + self._low) / 2, (self._high - self._low) / 2
        return drawn.record | {
            "action": np.clip(middle + half * drawn.action.cpu().numpy(), self._low, self._high),
            "log_prob": drawn.log_prob.cpu().numpy(),
            "value": self.module.value_head(state).cpu().numpy(),
        }

    def evaluate(self, batch: Arrays) -> Scores:
        """Score recorded decisions under the present weights."""
        state = self._tensor(batch["proprio"])
        scored = self.sampler.score(self.module.denoiser(state), batch, device=state.device)
        return Scores(scored.log_prob, scored.entropy, self.module.value_head(state))

    def value(self, observations: Arrays) -> Tensor:
        """Estimate the return from each observation, [B, 1]."""
        value: Tensor = self.module.value_head(self._tensor(observations["proprio"]))
        return value

    def imitate(self, batch: Arrays) -> Tensor:
        """Return the squared error of the velocity, mean over the elements, [B].

        Rows are counted, also over a checkpoint, and their number is the seed of their noise:
        the same rows in the same order teach the same, however they are cut into batches.
        """
        middle, half = (self._high + self._low) / 2, (self._high - self._low) / 2
        actions = self._tensor((batch["action"] - middle) / half)
        first = int(self.module.imitated)
        self.module.imitated += len(actions)
        given = lesson(actions, np.arange(first, first + len(actions), dtype=np.uint64))
        denoiser = self.module.denoiser(self._tensor(batch["proprio"]))
        velocity, _ = denoiser(given.point, given.time)
        return (velocity - given.velocity).square().mean((1, 2))

    def save(self, directory: str) -> None:
        """Write a checkpoint that the option `checkpoint` can name."""
        _FILES.save_file(self.module.state_dict(), Path(directory, "model.safetensors"))

    def load(self, directory: str) -> None:
        """Restore what `save` wrote, bit for bit."""
        self.module.load_state_dict(_FILES.load_file(Path(directory, "model.safetensors")))

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(array).to(next(self.module.parameters()).device)
