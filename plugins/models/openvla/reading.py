"""How arrays become inputs of the network, and what it answers actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rlvla.plugins.models.openvla import view
from rlvla.plugins.models.openvla.actions import Statistics
from rlvla.plugins.models.openvla.prompt import Prompter
from rlvla.plugins.models.openvla.source import (
    SIMULATOR,
    Source,
    statistics_of,
)
from rlvla.plugins.models.openvla.tokenizer import FILE, FileTokenizer, SmallTokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.openvla import OpenVLA
    from rlvla.plugins.models.openvla.conventions import Conventions
    from rlvla.plugins.models.openvla.presets import Architecture
    from rlvla.plugins.models.openvla.tokenizer import Tokenizer
    from rlvla.plugins.models.openvla.view import View


@dataclass(frozen=True)
class Critic:
    """What estimates the value."""

    kind: Literal["head", "privileged"]
    """Where the value comes from."""
    detach: bool
    """The value head's gradients stay out of the backbone."""
    values: int = 1
    """V: values of one decision."""

    def plain(self) -> dict[str, object]:
        """Return what `is_that_of` compares."""
        return {"critic": self.kind, "values": self.values}

    def is_that_of(self, config: Mapping[str, Any]) -> bool:
        """Whether a checkpoint of ours has the value head of this critic."""
        saved: Mapping[str, Any] = config.get("rlvla", {})
        return self.plain() == {"critic": saved.get("critic"), "values": saved.get("values", 1)}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How arrays become inputs, and numbers in [-1, 1] actions."""

    cameras: tuple[str, ...]
    """In the order of their tokens."""
    view: View
    tokenizer: Tokenizer
    prompter: Prompter
    statistics: Statistics
    """Of actions."""
    critic: Critic


def reading_of(
    options: OpenVLA,
    spec: SimulatorSpec,
    source: Source | None,
    architecture: Architecture,
    conventions: Conventions,
) -> Reading:
    """Return how the policy reads; raise ValueError if options, files and simulator disagree."""
    tokenizer = _tokenizer(architecture, source)
    return Reading(
        cameras=_cameras(options, spec),
        view=_view(source, architecture, conventions),
        tokenizer=tokenizer,
        prompter=Prompter(tokenizer, options.prompt),
        statistics=_statistics(options, spec, source, conventions),
        critic=Critic(options.critic, options.detach),
    )


def _tokenizer(architecture: Architecture, source: Source | None) -> Tokenizer:
    if architecture.tokenizer == "words":
        return SmallTokenizer()
    if source is None:
        raise ValueError("preset '7b' needs a checkpoint, which brings weights and tokenizer")
    path = source.file(FILE)
    if path is None:
        raise ValueError(f"checkpoint has no {FILE} in {source.own}, which its prompts need")
    return FileTokenizer(path)


def _cameras(options: OpenVLA, spec: SimulatorSpec) -> tuple[str, ...]:
    alien = [name for name in options.cameras or () if name not in spec.cameras]
    if alien:
        raise ValueError(
            f"cameras {', '.join(alien)} are not shown by the simulator, "
            f"it has: {', '.join(spec.cameras)}"
        )
    shown = tuple(options.cameras or spec.cameras)
    if not shown:
        raise ValueError("cameras must be at least one, the simulator shows none")
    return shown


def _view(source: Source | None, architecture: Architecture, conventions: Conventions) -> View:
    if source is None or source.file(view.FILE) is None:
        return view.View(architecture.image, conventions)
    return view.view_of(source.json(view.FILE), architecture.image, conventions)


def _statistics(
    options: OpenVLA, spec: SimulatorSpec, source: Source | None, conventions: Conventions
) -> Statistics:
    if source is None or options.statistics == SIMULATOR:
        return Statistics.of_simulator(spec)
    statistics = statistics_of(source.config, options.statistics, conventions)
    if len(statistics.low) != spec.action_dim:
        raise ValueError(
            f"checkpoint's actions have {len(statistics.low)} dimensions, "
            f"the simulator's have {spec.action_dim}"
        )
    return statistics
