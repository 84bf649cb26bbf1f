"""What small policies record of a decision; imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.types import Field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.types import SimulatorSpec


def gaussian_fields(spec: SimulatorSpec) -> Mapping[str, Field]:
    """Return the fields of one action of D elements; `sample` is what was drawn, before any cut.

    Raise ValueError if the actions are discrete.
    """
    if spec.discrete:
        raise ValueError("a Gaussian cannot choose among discrete actions; use mlp")
    return categorical_fields(spec) | {"sample": Field((1, spec.action_dim), "float32")}


def categorical_fields(spec: SimulatorSpec) -> dict[str, Field]:
    """Return the fields of one action of D whole numbers."""
    one_each = Field((1, spec.action_dim), "float32")
    return {
        "action": one_each,
        "log_prob": one_each,
        "value": Field((1,), "float32"),
        "temperature": Field((), "float32"),
    }
