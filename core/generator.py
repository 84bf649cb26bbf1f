"""A generator: a copy of the policy that answers requests in batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from rlvla.core.errors import TrainingError
from rlvla.core.runtime.turn import NO_TURN
from rlvla.core.types import Acted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from rlvla.core.interfaces import Policy
    from rlvla.core.slots import Slots
    from rlvla.core.types import Request
    from rlvla.core.weights import Weights

T = TypeVar("T")


class Generator:
    """Reads observations from the shared rows, writes decisions, and follows the weights."""

    def __init__(
        self,
        policy: Policy,
        slots: Slots,
        weights: Weights,
        *,
        turn: AbstractContextManager[float] = NO_TURN,
    ) -> None:
        self.version = -1
        self._policy = policy
        self._slots = slots
        self._weights = weights
        self._turn = turn
        self._trained = trained_parameters(policy.module)

    def act(self, requests: Sequence[Request], *, version: int, rows: int) -> Acted:
        """Decide for each request; see `GeneratorWorker.act`.

        New weights are taken over here, between batches and never inside one.
        """
        *_, exact = requests[0]  # a list, if it has travelled
        self._follow(version, exact)
        parts = (requests[first : first + rows] for first in range(0, len(requests), rows))
        waited = sum(self._decide(part, rows) for part in parts)
        return Acted(self.version, waited)

    def _decide(self, requests: Sequence[Request], rows: int) -> float:
        """Decide in one forward pass; return for how many seconds it waited for its turn."""
        _, slots, seeds, temperatures, _ = zip(*requests, strict=True)
        observations = self._slots.read(_padded(slots, rows), "observation")
        with self._turn as waited, torch.no_grad():
            decision = self._policy.act(
                observations,
                seeds=np.array(_padded(seeds, rows), np.uint64),
                temperature=np.array(_padded(temperatures, rows), np.float32),
            )
        count = len(slots)
        self._slots.write("decision", slots, {name: one[:count] for name, one in decision.items()})
        return waited

    def _follow(self, version: int, exact: int) -> None:
        if exact >= 0:
            if exact != self.version:
                self._take_over(exact, self._weights.fetch_exactly(exact))
            return
        if self._weights.version < version:
            raise TrainingError(
                f"version {version} of the weights was announced, {self._weights.version} is there"
            )
        if self._weights.version != self.version:
            self._take_over(*self._weights.fetch())

    def _take_over(self, version: int, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        self.version = version
        with torch.no_grad():
            for name, parameter in self._trained.items():
                parameter.copy_(torch.from_numpy(tensors[name]))


def _padded(column: Sequence[T], rows: int) -> list[T]:
    return [*column, *[column[-1]] * (rows - len(column))]


def trained_parameters(module: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Return what training changes, by name: all that is ever published."""
    return {name: one for name, one in module.named_parameters() if one.requires_grad}


class OnHost(Mapping[str, "NDArray[np.float32]"]):
    """Parameters as arrays in the memory of the host, each copied there when it is asked for.

    They are those that the policy has now, though it be lent others while they are copied.
    """

    def __init__(self, parameters: Mapping[str, torch.nn.Parameter]) -> None:
        self._tensors = {name: one.detach() for name, one in parameters.items()}

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        array: NDArray[np.float32] = self._tensors[name].cpu().numpy()
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def shapes_of(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """Return the shapes of `trained_parameters`."""
    return {name: tuple(one.shape) for name, one in trained_parameters(module).items()}
