"""OpenVLA: two vision towers, a Llama decoder and actions as 256 bins (arXiv 2406.09246)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from rlvla.core.types import Field
from rlvla.plugins.models.compute import Compute
from rlvla.plugins.models.lora import LoRA
from rlvla.plugins.models.openvla.conventions import Family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.footprint import Footprint
    from rlvla.core.interfaces import Exporter
    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.openvla.policy import OpenVLAPolicy

__all__ = ["PROMPT", "Compute", "Family", "LoRA", "OpenVLA"]

PROMPT = "In: What action should the robot take to {task}?\nOut:"
"""The published prompt; `{task}` is the instruction in lower case."""


@dataclass(frozen=True)
class OpenVLA:
    """The OpenVLA architecture; decisions are one action of D tokens."""

    preset: Literal["tiny", "7b"] = "tiny"
    """Sizes of a policy made from the seed; a checkpoint brings its own."""
    checkpoint: str | None = None
    """Directory with `model.safetensors` (whole, or in parts with an index) and `config.json`;
    `rlvla:NAME` is one that ships here. It may hold low-rank adapters alone, see `base`."""
    base: str | None = None
    """Directory of the model that the checkpoint's adapters were trained on, if it holds only
    them (`lora_adapter`); they are added to its weights."""
    family: Family | None = None
    """Whose fine-tunes the checkpoint is one of, which decides what its files do not say: how
    images are scaled and cut, and which statistics -1 and 1 stand for. By default as a checkpoint
    of rlvla says, else `plain`: as the image processor does it."""
    crop: float | None = None
    """Area of the centre of each image that is shown, 0.9 for fine-tunes that were trained with
    random crops; by default that of the family."""
    cameras: list[str] | None = None
    """Names of the simulator's cameras that are shown, in this order; by default all."""
    critic: Literal["head", "privileged"] = "head"
    """What estimates the value: a head on the hidden state that predicts the first action token,
    or a network of its own on the simulator's state, which only training sees."""
    detach: bool = False
    """Keep the gradients of the value head out of the backbone."""
    prompt: str = PROMPT
    """Text around the instruction, which takes the place of `{task}`."""
    statistics: str | None = None
    """Name of the statistics of the checkpoint, if it has several; `simulator` for the bounds of
    the simulator's actions."""
    lora: LoRA | None = None
    """Train low-rank adapters instead of the weights."""
    freeze: list[Literal["vision", "projector", "language"]] = field(
        default_factory=list[Literal["vision", "projector", "language"]]
    )
    """Parts that are not trained at all, by adapters neither: the towers, what maps their features
    to tokens, the decoder."""
    compute: Compute = field(default_factory=Compute)
    """Precision, memory and speed."""

    def __post_init__(self) -> None:
        if "{task}" not in self.prompt:
            raise ValueError(f"prompt must contain {{task}}, got {self.prompt!r}")
        if self.crop is not None and not 0 < self.crop <= 1:
            raise ValueError(f"crop must be above 0 and at most 1, got {self.crop}")

    @property
    def exports(self) -> Mapping[str, Exporter[Any]]:
        """The layouts that a trained policy can be exported to, by name."""
        from rlvla.plugins.models.openvla.export import exports_of

        return exports_of(self)

    def decision_fields(self, spec: SimulatorSpec) -> Mapping[str, Field]:
        """Return the fields of a row that `act` writes; tokens are ids of the vocabulary.

        Raise ValueError if the checkpoint's files do not fit options or simulator.
        """
        from rlvla.plugins.models.openvla.interface import interface_of

        interface_of(self, spec)
        return {
            "action": Field((1, spec.action_dim), "float32"),
            "tokens": Field((1, spec.action_dim), "int64"),
            "log_prob": Field((1, spec.action_dim), "float32"),
            "value": Field((1,), "float32"),
            "temperature": Field((), "float32"),
        }

    def build(self, spec: SimulatorSpec, *, seed: int) -> OpenVLAPolicy:
        """Build the policy in float32 on the CPU, from the checkpoint or from `seed`."""
        from rlvla.plugins.models.openvla.construction import build

        return build(self, spec, seed=seed)

    def outline(self, spec: SimulatorSpec) -> OpenVLAPolicy:
        """Build the policy with any weights; see `footprint.Outlined`."""
        from rlvla.plugins.models.openvla.construction import build

        return build(self, spec, seed=0, outline=True)

    def footprints(self, spec: SimulatorSpec, *, device: str) -> Sequence[Footprint]:
        """Return what the policy takes of memory, as it is and trained in full or with adapters."""
        from rlvla.plugins.models.footprint import footprints

        other = LoRA() if self.lora is None else None
        return footprints(self, spec, device, other)
