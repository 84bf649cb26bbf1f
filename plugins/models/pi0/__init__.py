"""pi0 and pi0.5: a vision-language model and an action expert that denoises chunks of actions.

arXiv 2410.24164 and 2504.16054, as openpi made them public.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rlvla.core.types import Field
from rlvla.plugins.models.compute import Compute
from rlvla.plugins.models.flow.sampling import FlowSampling
from rlvla.plugins.models.lora import LoRA
from rlvla.plugins.models.pi0.conventions import PI0, PI05, Conventions, Family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.footprint import Footprint
    from rlvla.core.interfaces import Exporter
    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.pi0.policy import PiPolicy

__all__ = ["Compute", "Family", "LoRA", "Pi0", "Pi05"]


@dataclass(frozen=True, kw_only=True)
class Pi0:
    """pi0; decisions are a chunk of C actions, of which the first are executed."""

    adaptive: ClassVar[bool] = False

    preset: Literal["tiny", "3b"] = "tiny"
    """Sizes of a policy made from the seed; a checkpoint brings its own."""
    checkpoint: str | None = None
    """Directory with `model.safetensors` and `config.json`, as written by openpi (PyTorch),
    lerobot, transformers or rlvla, or with the `params` of openpi's JAX code (extra `jax`; its
    low-rank adapters are merged), and with `tokenizer.json` or `tokenizer.model` beside them;
    `rlvla:NAME` is one that ships here."""
    family: Family | None = None
    """Of which of openpi's recipes the checkpoint is, which decides what its files do not say:
    `base`, `libero`, `droid` or `aloha`, whose joints and grippers have other signs and units in
    the model. By default as a checkpoint of rlvla says, else as the files and options below do."""
    horizon: int | None = None
    """Length of the chunks that the checkpoint was trained on, where its files do not say, as
    those of openpi's JAX code; by default that of the family."""
    chunk: int | None = None
    """Actions that are executed of each decision, by default all that are denoised. A tiny policy
    made from the seed denoises so many, by default 1."""
    cameras: dict[str, str] | None = None
    """Which of the model's cameras each camera of the simulator is, as `{top: base_0_rgb}`; by
    default they have equal names. Cameras that are not named here are not shown."""
    sampling: FlowSampling = field(default_factory=FlowSampling)
    """How actions are drawn and scored."""
    critic: Literal["expert", "prefix", "privileged"] = "expert"
    """What the value head sees: the mean over the action tokens of the expert at the beginning of
    the flow, before anything is drawn (t = 1, at the origin); the mean over the valid tokens of
    images and prompt; or the simulator's state, which only training sees."""
    detach: bool = False
    """Keep the gradients of the value head out of the rest."""
    statistics: str | None = None
    """Name of the statistics of the checkpoint (a folder in `assets`), if it has several."""
    relative: list[int] | None = None
    """Elements of an action that were trained as differences from the same elements of the state
    at the decision, counted from 0. By default those of the family, else as a checkpoint of rlvla
    says, else none."""
    lora: LoRA | None = None
    """Train low-rank adapters instead of the weights."""
    freeze: list[Literal["vision", "projector", "language", "words", "expert"]] = field(
        default_factory=list[Literal["vision", "projector", "language", "words", "expert"]]
    )
    """Parts that are not trained at all, by adapters neither: the tower, what maps its features to
    tokens, the layers of the language model, its embedding, the action expert."""
    compute: Compute = field(default_factory=Compute)
    """Precision, memory and speed."""

    def __post_init__(self) -> None:
        if self.family is not None and self.checkpoint is None:
            raise ValueError(
                f"family {self.family} says what the files of a checkpoint do not: name its "
                "checkpoint, too"
            )
        if self.chunk is not None and self.chunk < 1:
            raise ValueError(f"chunk must be at least 1, got {self.chunk}")
        if self.horizon is not None and (self.checkpoint is None or self.horizon < 1):
            raise ValueError(
                f"horizon must be at least 1 and of a checkpoint, got {self.horizon}; without a "
                "checkpoint, chunk says how many actions are denoised"
            )

    @property
    def conventions(self) -> Conventions | None:
        """What the family says; None without one."""
        families = PI05 if self.adaptive else PI0
        return None if self.family is None else families[self.family]

    @property
    def discrete(self) -> bool | None:
        """The state is a part of the prompt; None: as the checkpoint says."""
        return False

    @property
    def starts_from_noise(self) -> bool:
        """The seed matters at temperature 0, too."""
        return self.sampling.start == "noise"

    @property
    def exports(self) -> Mapping[str, Exporter[Any]]:
        """The layouts that a trained policy can be exported to, by name."""
        from rlvla.plugins.models.pi0.export import exports_of

        return exports_of(self)

    def decision_fields(self, spec: SimulatorSpec) -> Mapping[str, Field]:
        """Return the fields of a row that `act` writes.

        Raise ValueError if the checkpoint's files do not fit options or simulator.
        """
        from rlvla.plugins.models.pi0.interface import interface_of
        from rlvla.plugins.models.pi0.statistics import scales_of

        made = interface_of(self, spec)
        scales_of(self, spec, made)
        actions = Field((self.chunk or made.horizon, spec.action_dim), "float32")
        own = {"action": actions, "log_prob": actions, "value": Field((1,), "float32")}
        return own | self.sampling.fields(made.horizon, made.action_dim)

    def build(self, spec: SimulatorSpec, *, seed: int) -> PiPolicy:
        """Build the policy in float32 on the CPU, from the checkpoint or from `seed`."""
        from rlvla.plugins.models.pi0.construction import build

        return build(self, spec, seed=seed)

    def outline(self, spec: SimulatorSpec) -> PiPolicy:
        """Build the policy with any weights; see `footprint.Outlined`."""
        from rlvla.plugins.models.pi0.construction import build

        return build(self, spec, seed=0, outline=True)

    def footprints(self, spec: SimulatorSpec, *, device: str) -> Sequence[Footprint]:
        """Return what the policy takes of memory, as it is and trained in full or with adapters."""
        from rlvla.plugins.models.footprint import footprints

        other = LoRA() if self.lora is None else None
        return footprints(self, spec, device, other)


@dataclass(frozen=True, kw_only=True)
class Pi05(Pi0):
    """pi0.5; the time of the flow conditions the expert, the state is a part of the prompt."""

    adaptive: ClassVar[bool] = True

    discrete_state_input: bool | None = None
    """Write the state into the prompt, as 256 bins. Without it the policy sees none and has the
    prompt of pi0. By default as in the family, else as a checkpoint of rlvla says, else true."""

    @property
    def discrete(self) -> bool | None:
        """The state is a part of the prompt; None: as the checkpoint says."""
        if self.discrete_state_input is None and self.conventions is not None:
            return self.conventions.discrete
        return self.discrete_state_input
