"""The policies that a loss compares the trained one with: told, timed and saved by the trainer."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import torch

from rlvla.core.foreseen import Foreseen
from rlvla.core.types import Training

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from torch import Tensor

    from rlvla.core.interfaces import Algorithm, Follower, Policy
    from rlvla.core.types import Array, Arrays, Score


def follow(policy: Policy, algorithm: Algorithm, *, max_staleness: int) -> Followers:
    """Return what follows the training of a policy by an algorithm."""
    training = Training(
        policy=policy,
        steps=algorithm.epochs * algorithm.minibatches,
        micro_batch_size=algorithm.micro_batch_size,
        max_staleness=max_staleness,
    )
    made = {name: one.follow(training, name) for name, one in algorithm.compared.items()}
    return Followers({name: one for name, one in made.items() if one is not None})


class Followers:
    """What follows a training, by name; empty if the behaviour's record suffices."""

    def __init__(self, followers: Mapping[str, Follower]) -> None:
        self._all = followers
        self._version = 0
        self._seconds = dict.fromkeys(self._all, 0.0)
        self._told: list[Mapping[str, Tensor]] = []
        self._foreseen = Foreseen()
        self.scores: Mapping[str, Score] = {name: partial(self._score, name) for name in self._all}
        """What a `Moment` hands to the loss."""

    def __bool__(self) -> bool:
        return bool(self._all)

    def begin(self, version: int) -> None:
        """Tell that the batch of `version` begins; see `Follower.begin`."""
        self._version = version
        for name, one in self._all.items():
            with self._timed(name):
                one.begin(version)

    def foresee(self, rows: Arrays, slots: Sequence[int]) -> None:
        """See rows that have not arrived yet, while the weights are those that decided them."""
        self._foreseen.keep(slots, rows["version"].tolist(), self._see(rows))

    def arrive(self, rows: Arrays, slots: Sequence[int] = ()) -> dict[str, Array]:
        """Return the fields that the followers add to rows that have just arrived, or did before.

        `slots` say where the rows have waited.
        """
        return self._foreseen.joined(slots, rows, self._see)

    def _see(self, rows: Arrays) -> dict[str, Array]:
        fields: dict[str, Array] = {}
        for name, one in self._all.items():
            with self._timed(name):
                fields |= one.arrive(rows)
        return fields

    def note(self, metrics: Mapping[str, Tensor]) -> None:
        """Remember what the loss told of a micro-batch, for the next `step`."""
        self._told.append(metrics)

    def step(self) -> None:
        """Tell of an optimizer step; see `Follower.step`."""
        names = self._told[0] if self._told else ()
        means = {name: float(torch.cat([one[name] for one in self._told]).mean()) for name in names}
        self._told = []
        for name, one in self._all.items():
            with self._timed(name):
                one.step(means)

    def metrics(self) -> dict[str, float]:
        """Return the seconds that each took since the last call, and the bytes it holds."""
        metrics: dict[str, float] = {}
        for name, one in self._all.items():
            metrics[f"{name}_seconds"] = self._seconds[name]
            held = sum(part.nbytes for part in one.state().values())
            metrics[f"{name}_bytes"] = held + self._foreseen.nbytes(f"{name}/")
            self._seconds[name] = 0.0
        return metrics

    def state(self) -> dict[str, Tensor]:
        """Return all that must be saved, as `follower/name`."""
        return {
            f"{name}/{key}": tensor
            for name, one in self._all.items()
            for key, tensor in one.state().items()
        }

    def restore(self, state: Mapping[str, Tensor], version: int) -> None:
        """Take back what `state` returned while the batch of `version` was about to begin."""
        self._version = version
        self._told = []
        for name, one in self._all.items():
            own = {key: tensor for key, tensor in state.items() if key.startswith(f"{name}/")}
            one.restore({key.partition("/")[2]: tensor for key, tensor in own.items()})

    def _score(self, name: str, batch: Arrays, current: Tensor) -> Tensor:
        with self._timed(name), torch.no_grad():
            return self._all[name].log_prob(batch, current, self._version)

    @contextmanager
    def _timed(self, name: str) -> Generator[None]:
        began = time.perf_counter()
        yield
        self._seconds[name] += time.perf_counter() - began
