"""Models and their policies: what decides, and is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from rlvla.core.types import Arrays, Field, SimulatorSpec


class Scores(Protocol):
    """A policy's view of recorded decisions, differentiable."""

    log_prob: Tensor
    """[B, C, K]: of each of the K stochastic elements (tokens) of each action, under the recorded
    sampling parameters."""
    entropy: Tensor
    """[B, C, K]."""
    value: Tensor
    """[B, V]: V is 1 (chunk level) or C (action level)."""


class Policy(Protocol):
    """A model that acts and can be trained; it is a `torch.nn.Module` (see `module`).

    Batches are numpy arrays by name, stacked on the first axis: the fields of
    `types.observation_fields`, and where stated those of `Model.decision_fields`.
    """

    @property
    def module(self) -> nn.Module:
        """The parameters and buffers: what is trained, published and saved."""
        ...

    def act(
        self, observations: Arrays, *, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        """Decide for each row; return the fields of `Model.decision_fields`, stacked.

        `seeds` [B] alone decide the sampling noise of a row, so that the noise depends neither
        on the row's place nor on the rest of the batch. `temperature` [B] of 0 is greedy: then the
        seed does not matter, unless the model says of itself that it `starts_from_noise`.
        """
        ...

    def evaluate(self, batch: Arrays) -> Scores:
        """Score recorded decisions (observation and decision fields) under the present weights.

        At equal weights `log_prob` equals what `act` recorded, to 1e-5 in float32.
        """
        ...

    def value(self, observations: Arrays) -> Tensor:
        """Estimate the return from each observation, [B, V]."""
        ...

    def imitate(self, batch: Arrays) -> Tensor:
        """Return the supervised loss of the actions in `batch["action"]`, [B]."""
        ...

    def save(self, directory: str) -> None:
        """Write a checkpoint into an existing directory, one that the model's options can name."""
        ...

    def load(self, directory: str) -> None:
        """Restore what `save` wrote, bit for bit."""
        ...


class Model(Protocol):
    """Describes and builds a policy."""

    def decision_fields(self, spec: SimulatorSpec) -> Mapping[str, Field]:
        """Return the fields of a row that `Policy.act` writes.

        At least `action` float32 [C, D] in the simulator's units, `log_prob` float32 [C, K],
        `value` float32 [V] if there is a critic, and whatever `Policy.evaluate` needs to score
        the decision again.
        """
        ...

    def build(self, spec: SimulatorSpec, *, seed: int) -> Policy:
        """Build the policy in float32 on the CPU, from a checkpoint or from `seed`."""
        ...
