"""How arrays become inputs of the network, and what it answers actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rlvla.plugins.models.openvla import view
from rlvla.plugins.models.openvla.prompt import Prompter
from rlvla.plugins.models.openvla.tokenizer import FILE, FileTokenizer, SmallTokenizer
from rlvla.plugins.models.pieces import FILE as PIECES_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.plugins.models.openvla import OpenVLA
    from rlvla.plugins.models.openvla.actions import Statistics
    from rlvla.plugins.models.openvla.interface import Interface
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


def reading_of(options: OpenVLA, interface: Interface, *, values: int = 1) -> Reading:
    """Return how the policy reads; raise ValueError if a file that it needs is not there."""
    tokenizer = _tokenizer(interface)
    return Reading(
        cameras=interface.cameras,
        view=_view(interface),
        tokenizer=tokenizer,
        prompter=Prompter(tokenizer, options.prompt, multiple=options.compute.multiple),
        statistics=interface.statistics,
        critic=Critic(options.critic, options.detach, values),
    )


def _tokenizer(interface: Interface) -> Tokenizer:
    source = interface.source
    if source is None or interface.architecture.tokenizer == "words":
        return SmallTokenizer()
    path = source.file(FILE) or source.file(PIECES_FILE)
    if path is None:
        raise ValueError(
            f"checkpoint has no {FILE} or {PIECES_FILE} in {source.own}, which its prompts need"
        )
    return FileTokenizer(path)


def _view(interface: Interface) -> View:
    source, size = interface.source, interface.architecture.image
    processor = None if source is None else source.read(view.FILE)
    if processor is None:
        return view.View(size, interface.conventions)
    return view.view_of(processor, size, interface.conventions)
