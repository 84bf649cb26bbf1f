"""What a device can do at best, and what a computation needs at least.

A computation takes at least max(F / P, W / B): F floating-point operations of its products of
matrices, convolutions and attention, at the rate P; W bytes of weights that its layers read, at the
bandwidth B. P and B are measured: a product of large matrices, and a copy, which reads and writes.
Activations and keys and values are not counted, so that a share of the bound is a low estimate.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

MATRIX = {"cuda": 8192, "cpu": 1024}
COPIED = {"cuda": 1 << 30, "cpu": 1 << 27}
LARGE = (nn.Linear, nn.Conv2d)


@dataclass(frozen=True)
class Device:
    """Rates that were reached."""

    flops: float
    """Floating-point operations a second."""
    bandwidth: float
    """Bytes a second."""


@dataclass
class Work:
    """What a computation needs."""

    flops: float = 0.0
    bytes: float = 0.0

    def least(self, device: Device, batch: int) -> float:
        """Return the seconds that it takes at least for so many rows, if measured for one."""
        return max(batch * self.flops / device.flops, self.bytes / device.bandwidth)


def measured(device: torch.device, dtype: torch.dtype) -> Device:
    """Return what the device reaches."""
    side, count = MATRIX[device.type], COPIED[device.type]
    matrix = torch.randn(side, side, device=device).to(dtype)
    source = torch.empty(count, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    product = seconds(lambda: matrix @ matrix, device, repeats=10)
    copy = seconds(lambda: target.copy_(source), device, repeats=10)
    return Device(flops=2 * side**3 / product, bandwidth=2 * count / copy)


@contextmanager
def counted(module: nn.Module) -> Generator[Work]:
    """Count what is done meanwhile."""
    work = Work()

    def read(layer: nn.Module, *_: object) -> None:
        work.bytes += sum(one.nbytes for one in layer.parameters(recurse=False))

    hooks = [one.register_forward_hook(read) for one in module.modules() if isinstance(one, LARGE)]
    counter: Any = FlopCounterMode(display=False)
    try:
        with counter:
            yield work
    finally:
        work.flops = counter.get_total_flops()
        for hook in hooks:
            hook.remove()


def seconds(call: Callable[[], object], device: torch.device, *, repeats: int) -> float:
    """Return the shortest time of a call, after one that does not count."""
    call()
    return min(_timed(call, device) for _ in range(repeats))


def _timed(call: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    began = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
