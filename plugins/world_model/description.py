"""What is known of a world model without its weights; imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rlvla.core.component import OptionError, build, options_of
from rlvla.core.types import SimulatorSpec  # noqa: TC001 - the type of a field, read at run time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = "config.json"
KIND = "rlvla world model 1"
CELL = 4
"""Width and height, in pixels, of what one place of the network's maps stands for."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of the hidden layers."""

    width: int = 32
    """Channels and half the units of layers."""
    depth: int = 2
    """Blocks between an image and the next."""
    points: int = 12
    """Places in the images that reward and success are told from."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """Of which simulator a world model is, and how large its network."""

    kind: str = KIND
    """What the file says it is."""
    simulator: str
    """Type of the simulator whose episodes were recorded."""
    spec: SimulatorSpec
    """Of that simulator, without its privileged state."""
    tasks: tuple[str, ...]
    words: tuple[str, ...] = ()
    """Of all recorded instructions, in lower case."""
    sizes: Sizes = Sizes()

    def __post_init__(self) -> None:
        if self.kind != KIND:
            raise ValueError(f"kind must be {KIND!r}, got {self.kind!r}")
        sizes = {*self.spec.cameras.values()}
        if len(sizes) != 1 or any(side % CELL for side in next(iter(sizes))):
            raise ValueError(
                f"cameras must be of one size, a multiple of {CELL}, for a world model; "
                f"they are {dict(self.spec.cameras)}"
            )

    @property
    def cameras(self) -> int:
        """How many there are."""
        return len(self.spec.cameras)

    @property
    def cell(self) -> int:
        """How many numbers one cell of the images has."""
        return 3 * self.cameras * CELL**2

    def write(self, folder: Path) -> None:
        """Write the file that `read` reads."""
        (folder / CONFIG).write_text(json.dumps(options_of(self), indent=1) + "\n")


def read(folder: Path) -> Description:
    """Read the description of a world model; raise ValueError if the folder holds none."""
    try:
        plain = json.loads((folder / CONFIG).read_text())
        return build(Description, plain)
    except (OptionError, ValueError, AttributeError) as error:
        raise ValueError(f"checkpoint {folder} is not of a world model: {error}") from None


def public(spec: SimulatorSpec) -> SimulatorSpec:
    """Return what a world model can show of a simulator: all but what only training sees."""
    return replace(spec, privileged=0, batched=True)


def differences(one: SimulatorSpec, other: SimulatorSpec) -> Iterator[str]:
    """Tell in which respects two simulators are not alike."""
    ours, theirs = options_of(one), options_of(other)
    for name in ours:
        if ours[name] != theirs[name]:
            yield f"{name} {ours[name]} instead of {theirs[name]}"
