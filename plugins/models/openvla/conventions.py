"""What published fine-tunes share that their files do not say; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Family: TypeAlias = Literal["plain", "libero", "aloha", "bridge"]


@dataclass(frozen=True, kw_only=True)
class Conventions:
    """How images and actions were made during training."""

    resize: Literal["bicubic", "lanczos"] = "bicubic"
    """`bicubic` as the image processor does it, `lanczos` as the evaluation scripts do before."""
    crop: float = 1.0
    """Area of the centre of an image that is shown, scaled up to the whole."""
    bounds: tuple[str, str] = ("q01", "q99")
    """Names of the statistics that -1 and 1 stand for."""
    chunk: int = 8
    """Actions that are decided at once, where they are decided in parallel."""


LANCZOS: Literal["lanczos"] = "lanczos"
FAMILIES: dict[Family, Conventions] = {
    "plain": Conventions(),
    "libero": Conventions(resize=LANCZOS, crop=0.9),
    "aloha": Conventions(resize=LANCZOS, crop=0.9, bounds=("min", "max"), chunk=25),
    "bridge": Conventions(resize=LANCZOS, chunk=5),
}


def conventions_of(
    config: Mapping[str, Any], family: Family | None, **changes: float | None
) -> Conventions:
    """Return those of `family`, else those that a checkpoint of ours states, else the plain ones.

    `changes` that are not None take the place of their fields.
    """
    saved: dict[str, Any] | None = config.get("rlvla", {}).get("conventions")
    made = FAMILIES[family or "plain"]
    if family is None and saved is not None:
        made = replace(Conventions(**saved), bounds=tuple(saved["bounds"]))
    given: dict[str, Any] = {name: one for name, one in changes.items() if one is not None}
    return replace(made, **given)
