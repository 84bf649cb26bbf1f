"""Whether the numbers of a manifest fit each other, before anything is built."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rlvla.core.planning.finding import Finding, counted, sized
from rlvla.core.planning.memory import policies
from rlvla.core.planning.size import grown
from rlvla.core.run import job_of
from rlvla.core.runtime.build import layout_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rlvla.core.settings import Manifest


def findings(manifest: Manifest, cells: int, *, gpu_bytes: int | None = None) -> Iterator[Finding]:
    """Look at a manifest in so many cells: memory, batches, lanes.

    `gpu_bytes` is what a GPU has, if it is not one of this machine.
    """
    yield _memory(manifest, cells)
    yield _passes(manifest, cells)
    yield _rounds(manifest)
    yield _admitted(manifest)
    yield _lanes("simulator worker", [*map(len, _trained(manifest, manifest.assignment.shards))])
    yield _lanes("generator", [*map(len, _trained(manifest, manifest.assignment.served))])
    yield from policies(manifest, gpu_bytes)


def _memory(manifest: Manifest, cells: int) -> Finding:
    whole = grown(manifest, cells)
    job = job_of(whole, whole.phases[0])
    row = layout_of(job).row_bytes
    need, have = row * job.slots, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    text = (
        f"shared memory of a cell: {job.slots} rows of {sized(row)} are {sized(need)}, "
        f"this machine has {sized(have)}"
    )
    return Finding(need <= have, text)


def _passes(manifest: Manifest, cells: int) -> Finding:
    algorithm = grown(manifest, cells).phases[0].algorithm
    placed = manifest.placement.trainer
    ranks = cells * (1 if placed.turns is not None else max(1, len(placed.gpus)))
    step = algorithm.batch_size // algorithm.minibatches
    if algorithm.grouping is not None:
        micro = counted(algorithm.micro_batch_size, "decision")
        told = f"an optimizer step sees {step} episodes, in micro-batches of {micro}"
        return Finding(fits=True, text=told)
    passes = step / (algorithm.micro_batch_size * ranks)
    text = (
        f"an optimizer step sees {step} decisions: {passes:.4g} micro-batches of "
        f"{algorithm.micro_batch_size} for each of {counted(ranks, 'trainer')}"
    )
    return Finding(passes.is_integer(), text if passes.is_integer() else f"{text}, not whole ones")


def _rounds(manifest: Manifest) -> Finding:
    lanes = manifest.simulator.lanes
    batch, (length, unit) = manifest.phases[-1].algorithm.batch_size, _unit(manifest)
    rounds = batch / (lanes * length)
    text = f"a batch of {batch} is {rounds:.4g} {unit} from each of {lanes} lanes"
    even = rounds.is_integer()
    return Finding(even, text if even else f"{text}: in a synchronous schedule some stand still")


def _admitted(manifest: Manifest) -> Finding:
    lanes, eta = manifest.simulator.lanes, manifest.asynchrony.max_staleness
    batch, (length, unit) = manifest.phases[-1].algorithm.batch_size, _unit(manifest)
    most = (eta + 1) * batch // length
    text = f"max_staleness {eta} admits {most} {unit.split()[0]} at once"
    idle = max(0, lanes - most)
    told = f": {idle} of {lanes} lanes always stand still" if idle else f", for {lanes} lanes"
    return Finding(not idle, text + told)


def _unit(manifest: Manifest) -> tuple[int, str]:
    """Return what a lane makes at a time: how much of a batch that is, and what it is called."""
    if manifest.phases[-1].algorithm.grouping is not None:
        return 1, "episodes"
    length = manifest.asynchrony.segment
    return length, f"segments of {length}"


def _trained(manifest: Manifest, owned: Sequence[Sequence[int]]) -> list[list[int]]:
    """Leave out lanes that only evaluate, and who has no others."""
    lanes = manifest.simulator.lanes
    kept = [[lane for lane in one if lane < lanes] for one in owned]
    return [one for one in kept if one]


def _lanes(owner: str, counts: Sequence[int]) -> Finding:
    least, most = min(counts), max(counts)
    told = str(most) if least == most else f"{least} to {most}"
    return Finding(
        least == most, f"{counted(len(counts), owner)} of {counted(most, 'lane', told)} each"
    )
