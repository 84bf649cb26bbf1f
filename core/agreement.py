"""Whether what was read back is what was written: tensor by tensor, and in what it decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from rlvla.core.testing.rows import decide, observations

if TYPE_CHECKING:
    from torch import Tensor

    from rlvla.core.interfaces import Exporter, Policy
    from rlvla.core.types import SimulatorSpec

P = TypeVar("P", bound="Policy")

TOLERANCE = 1e-5
"""Largest difference, on the scale of what is compared."""
REDUCED = {"tensors": 2**-8, "outputs": 0.1}
"""The same for weights in bfloat16: its last bit, and what that may make of a whole network."""
ROWS = 4
"""Made-up observations that both policies decide on."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far two policies are apart, on the scale of what is compared."""

    tensors: float
    """Of the tensor that differs most; 0 if all are the same bits."""
    outputs: float
    reduced: bool = False
    """The other has its weights in bfloat16."""

    @property
    def holds(self) -> bool:
        """Whether they are one policy but for rounding; false if anything is not a number."""
        if self.reduced:
            return self.tensors <= REDUCED["tensors"] and self.outputs <= REDUCED["outputs"]
        return self.tensors <= TOLERANCE and self.outputs <= TOLERANCE

    def line(self) -> str:
        """Return both numbers in words."""
        return f"tensors differ by {self.tensors:.1e}, outputs by {self.outputs:.1e} of their scale"


def compare(
    exporter: Exporter[P], policy: P, again: P, spec: SimulatorSpec, *, reduced: bool = False
) -> Agreement:
    """Compare a policy with what an exporter wrote of it, `reduced` or not, and read again.

    Raise ValueError if they do not have the same tensors.
    """
    import torch

    ours, theirs = exporter.tensors(policy), exporter.tensors(again)
    if alien := sorted(ours.keys() ^ theirs.keys()):
        raise ValueError(f"the export has other tensors than the policy: {', '.join(alien)}")
    seen = observations(spec, rows=ROWS)
    rows = {**seen, **decide(policy, seen)}
    with torch.no_grad():
        outputs = distance(exporter.outputs(policy, rows), exporter.outputs(again, rows))
        apart = [distance(one, theirs[name]) for name, one in ours.items()]
    worst = float(torch.tensor(apart).amax())  # which keeps what is not a number
    return Agreement(tensors=worst, outputs=outputs, reduced=reduced)


def distance(one: Tensor, two: Tensor) -> float:
    """Return the largest difference, divided by the largest of the first's absolute numbers."""
    if one.shape != two.shape:
        return float("inf")
    difference = float((one - two).abs().amax()) if one.numel() else 0.0
    if difference == 0:
        return 0.0
    scale = float(one.abs().amax())
    return difference / scale if scale else float("inf")
