"""OpenVLA-OFT: OpenVLA that decides a chunk of actions in one pass (arXiv 2502.19645)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rlvla.core.types import Field
from rlvla.plugins.models.openvla import OpenVLA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.openvla_oft.policy import ParallelPolicy


@dataclass(frozen=True, kw_only=True)
class OpenVLAOFT(OpenVLA):
    """The OpenVLA architecture with parallel decoding; decisions are C actions of D tokens."""

    chunk: int | None = None
    """C; by default that of the family: 8, of `aloha` 25, of `bridge` 5. A tiny policy made from
    the seed for none of them decides 2."""
    head: Literal["discrete", "l1"] = "discrete"
    """What makes actions of the hidden states: the 256 bins of each element, or a regression,
    which the checkpoint has in `action_head--*.pt`. A regression has no density: it is for
    evaluation and supervised learning only."""
    proprio: bool = False
    """Show the robot's own state; the checkpoint has its projector in
    `proprio_projector--*.pt`."""
    fresh: bool = False
    """Make an action head or proprioception projector that the checkpoint lacks from the seed, to
    fine-tune it."""
    values: Literal["chunk", "action"] = "chunk"
    """Whether the critic estimates one value a decision, or one for each of its actions; all of
    them from what is seen before the first."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chunk is not None and self.chunk < 1:
            raise ValueError(f"chunk must be at least 1, got {self.chunk}")

    def decision_fields(self, spec: SimulatorSpec) -> Mapping[str, Field]:
        """Return the fields of a row that `act` writes; tokens are ids of the vocabulary.

        A regression records neither tokens nor log-probs. Raise ValueError if the checkpoint's
        files do not fit options or simulator.
        """
        from rlvla.plugins.models.openvla_oft.interface import parallel

        _, extent = parallel(self, spec)
        shape = (extent.chunk, spec.action_dim)
        common = {"action": Field(shape, "float32"), "value": Field((extent.values,), "float32")}
        if self.head == "l1":
            return common
        return common | {
            "tokens": Field(shape, "int64"),
            "log_prob": Field(shape, "float32"),
            "temperature": Field((), "float32"),
        }

    def build(self, spec: SimulatorSpec, *, seed: int) -> ParallelPolicy:
        """Build the policy in float32 on the CPU, from the checkpoint or from `seed`."""
        from rlvla.plugins.models.openvla_oft.construction import build

        return build(self, spec, seed=seed)

    def outline(self, spec: SimulatorSpec) -> ParallelPolicy:
        """Build the policy with any weights; see `footprint.Outlined`."""
        from rlvla.plugins.models.openvla_oft.construction import build

        return build(self, spec, seed=0, outline=True)
