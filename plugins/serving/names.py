"""What clients call the parts of an observation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from rlvla.core.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.types import SimulatorSpec

Convention: TypeAlias = Literal["rlvla", "openpi", "droid", "aloha"]

STATE, WORDS = "proprio", "instruction"
HANDS = "wrist", "hand", "gripper"
"""What names of cameras on a robot's hand have in them."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """The keys of one kind of robot; those inside a map have its key and a slash before them."""

    outside: tuple[str, ...]
    """Of the cameras that are on no hand, in order."""
    hand: tuple[str, ...]
    """Of the cameras on hands, in order."""
    other: str = "observation/{camera}"
    """Of the cameras beyond these."""
    state: tuple[str, ...] = ("observation/state",)
    """Of the parts of the state, in order."""
    words: str = "prompt"


CONVENTIONS = {
    "openpi": Names(outside=("observation/image",), hand=("observation/wrist_image",)),
    "droid": Names(
        outside=("observation/exterior_image_1_left", "observation/exterior_image_2_left"),
        hand=("observation/wrist_image_left",),
        state=("observation/joint_position", "observation/gripper_position"),
    ),
    "aloha": Names(
        outside=("images/cam_high", "images/cam_low"),
        hand=("images/cam_left_wrist", "images/cam_right_wrist"),
        other="images/{camera}",
        state=("state",),
    ),
}


def names_of(
    spec: SimulatorSpec, convention: Convention, renamed: Sequence[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Return the client's keys of each part of an observation that a policy may look at.

    `rlvla` calls them `image/CAMERA`, `proprio` and `instruction`; the other conventions are those
    of openpi's examples, `openpi` that of LIBERO. `renamed` has entries `KEY=PART`, which win;
    several of one part are put together in their order. Raise ManifestError if one does not fit.
    """
    parts = [f"image/{camera}" for camera in spec.cameras]
    parts += [*([STATE] if spec.proprio else []), WORDS]
    names: dict[str, tuple[str, ...]] = {part: (part,) for part in parts}
    if convention in CONVENTIONS:
        names |= _as_called(CONVENTIONS[convention], [*spec.cameras])
    names |= _renamed(parts, renamed)
    keys = [key for part in parts for key in names[part]]
    if len({*keys}) < len(keys):
        raise ManifestError(f"--name gives one key to two parts: {_listed(names)}")
    return {part: names[part] for part in parts}


def _as_called(names: Names, cameras: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the keys of all parts; a camera whose name is in one of the keys has that."""
    known = {key.rpartition("/")[2]: key for key in (*names.outside, *names.hand)}
    keys = {camera: known.get(camera, names.other.format(camera=camera)) for camera in cameras}
    for wanted, is_hand in ((names.outside, False), (names.hand, True)):
        free = [key for key in wanted if key not in keys.values()]
        alike = [one for one in cameras if one not in known and _is_on_hand(one) == is_hand]
        keys |= dict(zip(alike, free, strict=False))
    shown = {f"image/{camera}": (key,) for camera, key in keys.items()}
    return shown | {STATE: names.state, WORDS: (names.words,)}


def _is_on_hand(camera: str) -> bool:
    return any(word in camera.lower() for word in HANDS)


def _renamed(parts: Sequence[str], entries: Sequence[str]) -> dict[str, tuple[str, ...]]:
    keys: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        key, equals, part = entry.rpartition("=")
        if not (key and equals) or part not in parts:
            raise ManifestError(
                f"--name {entry}: expected KEY=PART, with a part of {', '.join(parts)}"
            )
        if part in keys and part != STATE:
            raise ManifestError(f"--name {entry}: {part} has the key {keys[part][0]} already")
        keys[part] = (*keys.get(part, ()), key)
    return keys


def _listed(names: Mapping[str, Sequence[str]]) -> str:
    return ", ".join(f"{key}={part}" for part, keys in names.items() for key in keys)
