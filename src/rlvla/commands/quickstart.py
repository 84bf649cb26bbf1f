"""What `rlvla doctor` finds out about the quick-start: whether it can run here."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from rlvla.commands.machine import available_bytes, gigabytes
from rlvla.commands.trials import first_observation
from rlvla.core.diagnosis import Diagnosis
from rlvla.core.errors import PreflightError, RlvlaError
from rlvla.core.run import job_of
from rlvla.core.runtime.build import layout_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rlvla.commands.surroundings import Surroundings
    from rlvla.core.plugins import Plugins
    from rlvla.core.settings import Manifest

PART = "quick-start"
MEMORY, DISK = 1_000_000_000, 200_000_000
"""Bytes that it takes beside its shared rows, and that it writes: measured, and some to spare."""


def quickstart(plugins: Plugins, surroundings: Surroundings) -> Iterator[Diagnosis]:
    """Yield what the quick-start needs; if all of it works, it can run."""
    try:
        manifest = surroundings.manifest("quickstart", plugins)
    except RlvlaError as error:
        yield Diagnosis(part=PART, name="manifest", works=False, told=str(error))
        return
    checks: dict[str, Callable[[Manifest], str]] = {
        "memory": _memory,
        "folder": _folder,
        "simulator": lambda manifest: first_observation(manifest.simulator),
        "model": _model,
    }
    for name, check in checks.items():
        try:
            yield Diagnosis(part=PART, name=name, works=True, told=check(manifest))
        except Exception as error:  # noqa: BLE001 - whatever is wrong, it cannot run
            yield Diagnosis(part=PART, name=name, works=False, told=" ".join(str(error).split()))


def _memory(manifest: Manifest) -> str:
    job = job_of(manifest, manifest.phases[0])
    rows = layout_of(job).row_bytes * job.slots
    told = f"{gigabytes(MEMORY + rows)} needed"
    if available_bytes() < MEMORY + rows:
        raise PreflightError(f"{told}, {gigabytes(available_bytes())} free: end other processes")
    return f"{told}, of which {rows / 1e6:.0f} MB shared: in a memfd, /dev/shm may be small"


def _folder(manifest: Manifest) -> str:
    path = manifest.output_dir.absolute()
    place = next(parent for parent in (path, *path.parents) if parent.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise PreflightError(f"{place} cannot be written: work in another folder")
    free = shutil.disk_usage(place).free
    told = f"{gigabytes(free)} free in {place}"
    if free < DISK:
        raise PreflightError(f"{told}, {gigabytes(DISK)} needed: work in another folder")
    return told


def _model(manifest: Manifest) -> str:
    policy = manifest.model.build(manifest.simulator.spec, seed=manifest.seed)
    count = sum(parameter.numel() for parameter in policy.module.parameters())
    return f"built, {count / 1e6:.1f} M parameters"
