"""Sizes of the network, by preset; what a checkpoint's tensors say is read in `sizes`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tower:
    """The SigLIP vision transformer."""

    width: int
    depth: int
    heads: int
    hidden: int
    """Width of the MLPs."""


@dataclass(frozen=True)
class Stream:
    """One of the two Gemma decoders; depth and heads are shared, as they attend together."""

    width: int
    hidden: int
    """Width of the MLPs."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Everything that shapes of tensors, head counts and inputs follow from."""

    adaptive: bool
    """The time of the flow scales and shifts the expert's norms (pi0.5); else it is mixed into
    the action tokens, and the state is a token of its own (pi0)."""
    image: int
    """Side of the square that the tower sees, pixels."""
    patch: int
    vision: Tower
    depth: int
    """Layers of each Gemma."""
    heads: int
    """Of queries; keys and values have one."""
    head_width: int
    language: Stream
    expert: Stream
    vocabulary: int
    action_dim: int
    """To which states and actions are padded."""

    def __post_init__(self) -> None:
        if self.image % self.patch:
            raise ValueError(f"image {self.image} is not a multiple of the patch size {self.patch}")

    @property
    def patches(self) -> int:
        """Tokens of one image."""
        return (self.image // self.patch) ** 2


def tiny(*, adaptive: bool, image: int, action_dim: int) -> Architecture:
    """Return sizes that learn on a laptop's CPU; `image` is rounded up to whole patches."""
    patch = 8
    return Architecture(
        adaptive=adaptive,
        image=-(-image // patch) * patch,
        patch=patch,
        vision=Tower(width=64, depth=1, heads=2, hidden=192),
        depth=2,
        heads=4,
        head_width=32,
        language=Stream(width=128, hidden=256),
        expert=Stream(width=64, hidden=128),
        vocabulary=704,
        action_dim=action_dim,
    )


def published(*, adaptive: bool) -> Architecture:
    """Return the sizes of `pi0_base` (3,238,048,528 parameters) or `pi05_base` (3,353,433,872)."""
    return Architecture(
        adaptive=adaptive,
        image=224,
        patch=14,
        vision=Tower(width=1152, depth=27, heads=16, hidden=4304),
        depth=18,
        heads=8,
        head_width=256,
        language=Stream(width=2048, hidden=16384),
        expert=Stream(width=1024, hidden=4096),
        vocabulary=257152,
        action_dim=32,
    )
