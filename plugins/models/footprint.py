"""How much memory a policy takes: its own code, run on tensors that have none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from rlvla.core.footprint import Footprint
from rlvla.core.testing.rows import observations
from rlvla.plugins.models.computing import REDUCED, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Arrays, Field, SimulatorSpec
    from rlvla.plugins.models.compute import Compute
    from rlvla.plugins.models.lora import LoRA

R = TypeVar("R")
CPU = torch.device("cpu")
ROWS = 2, 4
"""Decisions of two batches, whose difference is what one takes."""


class Outlined(Protocol):
    """A model that can make a policy whose weights nobody needs."""

    @property
    def compute(self) -> Compute:
        """How it is computed."""
        ...

    @property
    def lora(self) -> LoRA | None:
        """How it is adapted."""
        ...

    def decision_fields(self, spec: SimulatorSpec) -> Mapping[str, Field]:
        """See `Model.decision_fields`."""
        ...

    def outline(self, spec: SimulatorSpec) -> Outline:
        """Return the policy with any weights, none of which is read from a file."""
        ...


class Outline(Protocol):
    """A policy that tells what its passes hand on to each other."""

    @property
    def module(self) -> nn.Module:
        """Its weights."""
        ...

    def place(self, device: torch.device, *, trains: bool) -> None:
        """See `Placeable.place`."""
        ...

    def remembered(self, observations: Arrays) -> Sequence[Tensor]:
        """Return what a decision's passes hand on to each other."""
        ...


def footprints(
    model: Outlined, spec: SimulatorSpec, device: str, other: LoRA | None
) -> list[Footprint]:
    """Return what a model takes as it is, and trained with `other` adapters (None: with none).

    Nothing has memory, so that a policy of any size is measured within seconds. Precision is that
    of the device; what is kept is counted as torch's own kernels for attention keep it.
    """
    precision = model.compute.precision
    if precision == "auto":
        precision = "bfloat16" if device == "cuda" else "float32"
    compute = replace(model.compute, precision=precision, compile=False)
    return [
        _footprint(cast("Any", replace)(model, lora=lora, compute=compute), spec)
        for lora in (model.lora, other)
    ]


def _footprint(model: Outlined, spec: SimulatorSpec) -> Footprint:
    with torch.device("meta"):
        policy = model.outline(spec)
    with FakeTensorMode():
        pretend(policy.module, CPU)
        policy.place(CPU, trains=True)
        weights = [*policy.module.parameters()]
        trained, frozen = ([one for one in weights if one.requires_grad == yes] for yes in (1, 0))
        masters, below = _bytes(trained), _bytes(frozen)
        few, many = (_evaluated(policy, model, spec, rows) for rows in ROWS)
        policy.place(CPU, trains=False)  # as a generator
        with torch.no_grad():
            remembered = policy.remembered(observations(spec, rows=1))
        lora, more = model.lora, ROWS[1] - ROWS[0]
        return Footprint(
            name="full training" if lora is None else f"adapters of rank {lora.r}",
            parameters=sum(one.numel() for one in weights),
            trained=sum(one.numel() for one in trained),
            frozen=below,
            masters=masters,
            reduced=_bytes(one for one in trained if one.dtype == REDUCED),
            kept=(many.kept - few.kept) // more,
            recomputed=(many.recomputed - few.recomputed) // more,
            checkpointing=model.compute.checkpointing,
            copy=_bytes(weights),
            remembered=_bytes(remembered),
        )


def pretend(network: nn.Module, device: torch.device) -> None:
    """Make its tensors some that claim to be on a device, in the present mode.

    What is kept for a backward pass depends on the kernels, of which none is for no device.
    """
    for module in network.modules():
        for name, one in module.named_parameters(recurse=False):
            made = torch.empty(one.shape, dtype=one.dtype, device=device)
            module.register_parameter(name, nn.Parameter(made, requires_grad=one.requires_grad))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype, device=device))


def _evaluated(policy: Outline, model: Outlined, spec: SimulatorSpec, rows: int) -> Tape:
    """Return what scoring so many decisions keeps; weights in fewer bits are among it."""
    fields = model.decision_fields(spec)
    decision = {name: np.zeros((rows, *one.shape), one.dtype) for name, one in fields.items()}
    made = {**decision, **{k: v + 1 for k, v in decision.items() if k in ("noise", "temperature")}}
    if "tokens" in made:
        made["tokens"] = made["tokens"] + cast("Any", policy).module.architecture.bins.start
    tape = Tape(policy.module)
    hooks = torch.autograd.graph.saved_tensors_hooks(tape.keep, _same)
    with hooks, watched(tape):
        cast("Policy", policy).evaluate({**observations(spec, rows=rows), **made})
    return tape


class Tape:
    """What a forward pass keeps for its backward pass, in bytes."""

    def __init__(self, module: nn.Module) -> None:
        self.kept = 0
        self._known = {_memory(one) for one in module.parameters()}
        self._held = list[Tensor]()
        self._inputs = self._inside = self._largest = 0

    @property
    def recomputed(self) -> int:
        """What there is at most if layers keep their inputs alone."""
        return self.kept - self._inside + self._inputs + self._largest

    def keep(self, tensor: Tensor) -> Tensor:
        """Count a tensor unless its memory is that of a weight or was counted."""
        if _memory(tensor) not in self._known:
            self._known.add(_memory(tensor))
            self._held.append(tensor)  # lest its place is taken by another
            self.kept += tensor.untyped_storage().nbytes()
        return tensor

    def watch(self, layer: Callable[[], R], inputs: tuple[object, ...]) -> R:
        """Note what is kept inside a layer, and what its inputs are."""
        before = self.kept
        made = layer()
        inside = self.kept - before
        self._inside += inside
        self._largest = max(self._largest, inside)
        self._inputs += _bytes(one for one in inputs if isinstance(one, Tensor))
        return made


def _memory(tensor: Tensor) -> int:
    return cast("int", cast("Any", tensor.untyped_storage())._cdata)


def _same(tensor: Tensor) -> Tensor:
    return tensor


def _bytes(tensors: Any) -> int:  # noqa: ANN401 - any iterable of tensors
    return sum(one.numel() * one.element_size() for one in tensors)
