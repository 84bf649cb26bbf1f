"""Policies that have a say in how their weights are kept where they are placed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch


@runtime_checkable
class Placeable(Protocol):
    """What a `Policy` may also do; one that does not is moved as it is."""

    def place(self, device: torch.device, *, trains: bool) -> None:
        """Move to the device, once; `trains` is false for the copy of a generator, which only acts.

        Trained parameters of who trains stay float32. Those of a generator are copied from there
        and may have fewer bits.
        """
        ...
