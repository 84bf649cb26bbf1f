"""What clients call the parts of an observation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from rlvla.core.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.types import SimulatorSpec

Convention: TypeAlias = Literal["rlvla", "openpi"]

STATE, WORDS = "proprio", "instruction"
WRIST = "wrist"


def names_of(
    spec: SimulatorSpec, convention: Convention, renamed: Sequence[str] = ()
) -> dict[str, str]:
    """Return the client's key of each part of an observation that a policy may look at.

    `rlvla` calls them `image/CAMERA`, `proprio` and `instruction`. `openpi` says
    `observation/image` for the first camera, `observation/wrist_image` for the first with "wrist"
    in its name, `observation/state` and `prompt`; other cameras are `observation/CAMERA`.
    `renamed` has entries `KEY=PART`, which win. Raise ManifestError if one does not fit.
    """
    parts = [f"image/{camera}" for camera in spec.cameras]
    parts += [*([STATE] if spec.proprio else []), WORDS]
    names = {part: part for part in parts} | (_openpi(spec) if convention == "openpi" else {})
    for entry in renamed:
        key, equals, part = entry.rpartition("=")
        if not (key and equals) or part not in parts:
            raise ManifestError(
                f"--name {entry}: expected KEY=PART, with a part of {', '.join(parts)}"
            )
        names[part] = key
    if len({*names.values()}) < len(names):
        raise ManifestError(f"--name gives one key to two parts: {_listed(names)}")
    return {part: names[part] for part in parts}


def _openpi(spec: SimulatorSpec) -> dict[str, str]:
    names = {f"image/{camera}": f"observation/{camera}" for camera in spec.cameras}
    for key, is_wrist in (("image", False), ("wrist_image", True)):
        alike = [camera for camera in spec.cameras if (WRIST in camera) == is_wrist]
        if alike:
            names[f"image/{alike[0]}"] = f"observation/{key}"
    state = {STATE: "observation/state"} if spec.proprio else {}
    return names | state | {WORDS: "prompt"}


def _listed(names: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={part}" for part, key in names.items())
