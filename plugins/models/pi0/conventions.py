"""What checkpoints of openpi's recipes share that their files do not say; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.plugins.models.pi0.robots import Robot

Family: TypeAlias = Literal["base", "libero", "droid", "aloha"]


@dataclass(frozen=True, kw_only=True)
class Conventions:
    """How chunks, states and actions were made during training."""

    horizon: int = 50
    """Actions of a chunk."""
    relative: tuple[int, ...] = ()
    """Elements of actions that are differences from the state."""
    discrete: bool = True
    """pi0.5 has the state in its prompt; else it sees none."""
    robot: Robot = "plain"


ALOHA = Conventions(relative=(*range(6), *range(7, 13)), robot="aloha")
PI0: Mapping[Family, Conventions] = MappingProxyType(
    {
        "base": Conventions(),
        "libero": Conventions(relative=(*range(6),)),
        "droid": Conventions(horizon=10),
        "aloha": ALOHA,
    }
)
PI05: Mapping[Family, Conventions] = MappingProxyType(
    {
        "base": Conventions(),
        "libero": Conventions(horizon=10, discrete=False),
        "droid": Conventions(horizon=15),
        "aloha": ALOHA,
    }
)
