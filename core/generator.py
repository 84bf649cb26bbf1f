"""A generator: a copy of the policy that answers requests in batches."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.interfaces import Policy
    from rlvla.core.slots import Slots
    from rlvla.core.types import Request
    from rlvla.core.weights import Weights


class Generator:
    """Reads observations from the shared rows, writes decisions, and follows the weights."""

    def __init__(self, policy: Policy, slots: Slots, weights: Weights) -> None:
        self.version = -1
        self._policy = policy
        self._slots = slots
        self._weights = weights
        self._trained = trained_parameters(policy.module)

    def act(self, requests: Sequence[Request], *, version: int) -> int:
        """Decide for each request; see `GeneratorWorker.act`.

        New weights are taken over here, between batches and never inside one.
        """
        self._follow(version)
        slots = [request.slot for request in requests]
        with torch.no_grad():
            decision = self._policy.act(
                self._slots.read(slots, "observation"),
                seeds=np.array([request.seed for request in requests], np.uint64),
                temperature=np.array([request.temperature for request in requests], np.float32),
            )
        self._slots.write("decision", slots, decision)
        return self.version

    def _follow(self, version: int) -> None:
        while self._weights.version < version:
            time.sleep(0.0005)  # the publication was announced, its last word is on its way
        if self._weights.version == self.version:
            return
        self.version, tensors = self._weights.fetch()
        with torch.no_grad():
            for name, parameter in self._trained.items():
                parameter.copy_(torch.from_numpy(tensors[name]))


def trained_parameters(module: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Return what training changes, by name: all that is ever published."""
    return {name: one for name, one in module.named_parameters() if one.requires_grad}


def shapes_of(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """Return the shapes of `trained_parameters`."""
    return {name: tuple(one.shape) for name, one in trained_parameters(module).items()}
