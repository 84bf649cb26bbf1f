"""Models that know beforehand how much memory their policies take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.footprint import Footprint
    from rlvla.core.types import SimulatorSpec


@runtime_checkable
class Measured(Protocol):
    """What a `Model` may also do."""

    def footprints(self, spec: SimulatorSpec, *, device: str) -> Sequence[Footprint]:
        """Return what the policy takes on a kind of device, `cpu` or `cuda`: first as it is meant.

        Others are what it would take if it were trained in another way. Nothing is allocated.
        """
        ...
