"""Exporters: how a trained policy leaves rlvla, in files that others read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from rlvla.core.types import Arrays, SimulatorSpec

P = TypeVar("P")


class Exporter(Protocol[P]):
    """Writes the policies of a model in one layout, and reads them as its users do."""

    def write(self, policy: P, directory: Path) -> None:
        """Write into an existing empty directory."""
        ...

    def read(self, directory: Path, spec: SimulatorSpec, *, seed: int) -> P:
        """Open what `write` wrote; raise ValueError if anything is missing or too much."""
        ...

    def tensors(self, policy: P) -> Mapping[str, Tensor]:
        """Return what the layout holds of a policy; equal of one that was written and read."""
        ...

    def outputs(self, policy: P, rows: Arrays) -> Tensor:
        """Return numbers that follow smoothly from the weights and decide what is done.

        `rows` are those of the policy's observation and decision fields.
        """
        ...


class Exportable(Protocol):
    """What a model has beside `Model` if its policies can be exported."""

    @property
    def exports(self) -> Mapping[str, Exporter[Any]]:
        """The layouts that these options allow, by name; cheap, like the construction."""
        ...
