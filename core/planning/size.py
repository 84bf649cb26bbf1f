"""Sizes of a run: one machine as the manifest describes it is a cell, a run is many of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from rlvla.core.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rlvla.core.settings import Manifest, Phase


class Size(NamedTuple):
    """How many machines, and GPUs in all of them."""

    cells: int
    gpus: int


def gpus_of(manifest: Manifest) -> int:
    """Return the GPUs of one cell.

    They are what the placement lists, each once; something that is used in turns is one GPU, and
    a generator or trainer that is placed nowhere has one of its own.
    """
    devices: set[tuple[str, object]] = set()
    members = {"simulator": 0, "generator": len(manifest.assignment.served), "trainer": 1}
    for role, count in members.items():
        resources = getattr(manifest.placement, role)
        if resources.gpus:
            devices |= {("gpu", number) for number in resources.gpus}
        elif resources.turns is not None:
            devices.add(("turns", resources.turns))
        else:
            devices |= {(role, number) for number in range(count)}
    return len(devices)


def sizes(manifest: Manifest, gpus: Sequence[int]) -> list[Size]:
    """Return the sizes with so many GPUs; raise ManifestError unless each is whole cells."""
    each = gpus_of(manifest)
    for number in gpus:
        if number < 1 or number % each:
            raise ManifestError(
                f"--gpus: {number} are not whole cells: the placement of {manifest.name!r} "
                f"takes {each} in each, so name multiples of {each}"
            )
    return [Size(number // each, number) for number in gpus]


def doubling(manifest: Manifest, most: int) -> Iterator[int]:
    """Yield the GPUs of 1, 2, 4 ... cells, up to `most` in all, but at least those of one."""
    number = gpus_of(manifest)
    yield number
    while (number := 2 * number) <= most:
        yield number


def last_phase(manifest: Manifest) -> Phase:
    """Return the phase that is planned; raise ManifestError if it makes no decisions."""
    phase = manifest.phases[-1]
    if phase.algorithm.demonstrations:
        raise ManifestError(
            f"{manifest.name}: its last phase, {phase.name!r}, learns from demonstrations: "
            "there is no rollout to plan"
        )
    return phase


def grown(manifest: Manifest, cells: int) -> Manifest:
    """Return the last phase of a manifest for so many cells: its batches grow with its lanes."""
    phase = last_phase(manifest)
    options = cast("Any", phase.algorithm)  # a component is a dataclass
    algorithm = replace(options, batch_size=cells * phase.algorithm.batch_size)
    return replace(manifest, phases=(replace(phase, algorithm=algorithm),))


def synchronous(manifest: Manifest) -> Manifest:
    """Return the synchronous baseline of a manifest."""
    levels = replace(manifest.asynchrony, rollout=False, stream=False, max_staleness=0)
    return replace(manifest, asynchrony=levels)
