"""Proximal policies and corrections: what keeps a loss right when data are stale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from rlvla.core.types import Arrays, Training


class Proximal(Protocol):
    """Where log-probabilities of a policy beside the trained one come from.

    As an option of an algorithm: those of the proximal policy, the centre of the clip.
    """

    @property
    def needs(self) -> Sequence[str]:
        """Fields that the model must record."""
        ...

    @property
    def decoupled(self) -> bool:
        """Whether it is another policy than the one that decided; else `follow` returns None."""
        ...

    @property
    def sees_within(self) -> int | None:
        """How many versions may pass until a decision is seen; None: as many as until it arrives.

        Those that wait for a later batch are then shown to `Follower.arrive` while they do: rows
        without what came of them. With 0 the trainer still holds the weights that made them, and
        rollouts stand still while these change; with 1 rollouts go on, and the trainer holds the
        weights that followed.
        """
        ...

    def follow(self, training: Training, name: str) -> Follower | None:
        """Return what follows a training; None if the behaviour's record is all that is wanted.

        `name` is what the algorithm calls the policy.
        """
        ...


class Follower(Protocol):
    """A policy beside the trained one, in the trainer's process, which tells it how it goes on.

    For each version: `begin`, then `arrive` with all rows of the batch that it has not seen yet,
    then `step` after each optimizer step; `log_prob` for each micro-batch, from when its rows have
    arrived.
    """

    def begin(self, version: int) -> None:
        """Learn that the weights have become `version`, and the batch of it begins."""
        ...

    def arrive(self, rows: Arrays) -> Arrays:
        """Return fields to keep with rows that have just arrived, each `NAME/...`.

        The weights are still those of the version: no optimizer step has been taken.
        """
        ...

    def step(self, metrics: Mapping[str, float]) -> None:
        """Learn that an optimizer step was taken, and what `loss` told of its decisions: means."""
        ...

    def log_prob(self, batch: Arrays, current: Tensor, version: int) -> Tensor:
        """Return the log-probabilities of recorded decisions, [B, C, K], without gradient.

        `current` are those under the weights as they are; `version` is that of the batch.
        """
        ...

    def state(self) -> Mapping[str, Tensor]:
        """Return all that it holds, so that it goes on bit for bit."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` returned."""
        ...


class Correction(Protocol):
    """Keeps importance weights in bounds."""

    @property
    def needs(self) -> Sequence[str]:
        """Fields that the model must record."""
        ...

    def check(self, *, level: str, decoupled: bool) -> None:
        """Raise ValueError if it does not fit ratios of this level: token, action or chunk.

        `decoupled`: there is a proximal policy beside the behaviour policy, and its weight is
        what is bounded; else it is the ratio itself.
        """
        ...

    @property
    def clips(self) -> bool:
        """Whether the ratio is still clipped."""
        ...

    def bounded(self, log_weight: Tensor, valid: Tensor | None) -> Tensor:
        """Return the logarithms of the weights to use instead; -inf takes an entry out.

        `log_weight` is [B, C, K], [B, C, 1] or [B, 1, 1], as the ratios are, 0 where an action was
        not executed; `valid` bool [B, C], None for all. A decision's weights depend on it alone.
        """
        ...
