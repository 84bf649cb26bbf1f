"""Exporters: how a trained policy leaves rlvla, in files that others read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from rlvla.core.types import Arrays, SimulatorSpec

P = TypeVar("P")


@dataclass(frozen=True, kw_only=True)
class Exporter(Generic[P]):
    """Writes the policies of a model in one layout, and reads them as its users do."""

    write: Callable[[P, Path], None]
    """Writes into an existing empty directory."""
    write_reduced: Callable[[P, Path], None] | None = None
    """Does so with weights in bfloat16; None if the layout has none."""
    read: Callable[[Path, SimulatorSpec, int], P]
    """Opens what was written, for a simulator; what the layout does not hold is of the seed. Raises
    ValueError if anything is missing or too much."""
    tensors: Callable[[P], Mapping[str, Tensor]]
    """What the layout holds of a policy; the same of one that was written and read."""
    outputs: Callable[[P, Arrays], Tensor]
    """Numbers that follow smoothly from the weights and decide what is done, of rows of the
    policy's observation and decision fields."""


class Exportable(Protocol):
    """What a model has beside `Model` if its policies can be exported."""

    @property
    def exports(self) -> Mapping[str, Exporter[Any]]:
        """The layouts that these options allow, by name."""
        ...
