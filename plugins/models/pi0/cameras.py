"""Which of a simulator's cameras is which of a policy's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HANDS = "wrist", "hand", "gripper"
"""What names of cameras on a hand have in them."""


def matched(
    wanted: Mapping[str, str] | None, simulator: Sequence[str], model: Sequence[str]
) -> dict[str, str]:
    """Return the simulator's camera of each of the model's that has one, in the model's order.

    `wanted` maps names of the simulator to names of the model; None stands for equal names. Raise
    ValueError, which shows both sides, unless it does so one to one.
    """
    pairs = dict(wanted) if wanted else {name: name for name in simulator}
    faults = [
        *(f"the simulator has no camera {name!r}" for name in pairs if name not in simulator),
        *(f"the model has no camera {name!r}" for name in pairs.values() if name not in model),
    ]
    if len({*pairs.values()}) < len(pairs):
        faults.append("two cameras are mapped to one")
    if not pairs:
        faults.append("the simulator shows no images")
    if faults:
        raise ValueError(
            f"cameras do not fit: {faults[0]}; the simulator has {_listed(simulator)}, "
            f"the model has {_listed(model)}{_advice(simulator, model)}"
        )
    back = {theirs: ours for ours, theirs in pairs.items()}
    return {name: back[name] for name in model if name in back}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _advice(simulator: Sequence[str], model: Sequence[str]) -> str:
    pairs = suggested(simulator, model)
    if not pairs:
        return ""
    ready = ", ".join(f"{ours}: {theirs}" for ours, theirs in pairs.items())
    return f"; write cameras: {{{ready}}} if they show the same"


def suggested(simulator: Sequence[str], model: Sequence[str]) -> dict[str, str]:
    """Return a likely map: equal names, then wrists to wrists and others to others, in order."""
    pairs = {name: name for name in simulator if name in model}
    for name in simulator:
        free = [one for one in model if one not in pairs.values()]
        alike = [one for one in free if _is_on_hand(one) == _is_on_hand(name)]
        if name not in pairs and (alike or free):
            pairs[name] = (alike or free)[0]
    return pairs


def _is_on_hand(camera: str) -> bool:
    return any(word in camera for word in HANDS)
