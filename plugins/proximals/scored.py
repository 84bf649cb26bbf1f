"""A policy whose log-probabilities are known when decisions arrive, and for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from rlvla.core.types import Array, Arrays
    from rlvla.plugins.proximals.weights import Scorer, Weights


class Versions(Protocol):
    """Chooses the weights that score what a version of them has decided."""

    def begin(self, version: int) -> None:
        """Learn that the weights have become `version`."""
        ...

    def of(self, version: int) -> Weights | None:
        """Return the weights for decisions of `version`; None: the present ones."""
        ...

    def state(self) -> Mapping[str, Tensor]:
        """Return all that it holds."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` returned."""
        ...


class Scored:
    """Scores rows when they arrive, before the weights change; see `interfaces.Follower`."""

    def __init__(self, name: str, scorer: Scorer, versions: Versions) -> None:
        self._field = f"{name}/log_prob"
        self._scorer = scorer
        self._versions = versions

    def begin(self, version: int) -> None:
        """Tell who chooses the weights."""
        self._versions.begin(version)

    def arrive(self, rows: Arrays) -> Arrays:
        """Add the log-probabilities of the rows."""
        scored = np.empty_like(rows["log_prob"])
        for index, weights in self._parts(rows["version"]):
            chosen = {name: one[index] for name, one in rows.items()}
            scored[index] = self._scorer.score(chosen, weights)
        return {self._field: scored}

    def step(self, metrics: Mapping[str, float]) -> None:
        """Do nothing: what has arrived is scored."""

    def log_prob(self, batch: Arrays, current: Tensor, version: int) -> Tensor:
        """Return what was found when the rows arrived."""
        del version
        return torch.from_numpy(batch[self._field]).to(current.device)

    def state(self) -> Mapping[str, Tensor]:
        """Return the weights that are kept."""
        return self._versions.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights back."""
        self._versions.restore(state)

    def _parts(self, made: Array) -> list[tuple[Array | slice, Weights | None]]:
        """Return the places of the rows that the same weights score, and these weights."""
        weights = {version: self._versions.of(version) for version in np.unique(made).tolist()}
        distinct = {id(one): one for one in weights.values()}
        if len(distinct) == 1:
            return [(slice(None), one) for one in distinct.values()]  # a view, not a copy
        chosen = np.array([id(weights[version]) for version in made.tolist()])
        return [(np.flatnonzero(chosen == key), one) for key, one in distinct.items()]
