"""What `rlvla doctor` finds out about the machine and the Python on it."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvla.core.diagnosis import Diagnosis
from rlvla.core.run_dir import versions

if TYPE_CHECKING:
    from collections.abc import Iterator

PART = "machine"
CONTAINER = Path("/sys/fs/cgroup")


def machine() -> Iterator[Diagnosis]:
    """Yield what is there; nothing here can fail but what is not installed."""
    python = f"{platform.python_version()} in {sys.prefix}"
    yield Diagnosis(part=PART, name="python", works=True, told=python)
    yield _packages()
    cores = f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} are this process's"
    yield Diagnosis(part=PART, name="cores", works=True, told=cores)
    told = f"{gigabytes(available_bytes())} free of {gigabytes(_memory()['MemTotal'])}"
    yield Diagnosis(part=PART, name="memory", works=True, told=told)
    yield _gpus()


def available_bytes() -> int:
    """Return how much memory new processes can have: of the machine, and of the container."""
    return min(_memory()["MemAvailable"], _left_in_container())


def _memory() -> dict[str, int]:
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return {name.rstrip(":"): int(value) << 10 for name, value, *_ in lines}


def _left_in_container() -> int:
    try:
        limit = (CONTAINER / "memory.max").read_text().strip()
        used = int((CONTAINER / "memory.current").read_text())
        kinds = (line.split() for line in (CONTAINER / "memory.stat").read_text().splitlines())
    except OSError:  # no container, or one of the older kind
        return sys.maxsize
    cached = next(int(value) for name, value in kinds if name == "inactive_file")
    return sys.maxsize if limit == "max" else int(limit) - used + cached


def _packages() -> Diagnosis:
    known = versions()
    missing = [name for name, version in known.items() if version is None]
    return Diagnosis(
        part=PART,
        name="packages",
        works=not missing,
        told=", ".join(f"{name} {version or 'is missing'}" for name, version in known.items()),
        advice=f"pip install {' '.join(missing)}",
    )


def _gpus() -> Diagnosis:
    try:
        import torch
    except (ImportError, OSError) as error:
        told = f"torch cannot be imported: {error}"
        advice = "pip install --force-reinstall torch"
        return Diagnosis(part=PART, name="gpus", works=False, told=told, advice=advice)
    numbers = range(torch.cuda.device_count())
    devices: list[Any] = [torch.cuda.get_device_properties(number) for number in numbers]
    named = ", ".join(f"{one.name} with {gigabytes(one.total_memory)}" for one in devices)
    none = f"torch {torch.__version__} finds none, models compute on the cores"
    return Diagnosis(part=PART, name="gpus", works=bool(named) or None, told=named or none)


def gigabytes(count: int) -> str:
    """Return a number of bytes in words."""
    return f"{count / 1e9:.1f} GB"
