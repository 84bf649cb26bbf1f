"""A client's observation becomes the row that a policy looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from rlvla.core.types import encode_instruction, observation_fields
from rlvla.plugins.serving.names import WORDS
from rlvla.plugins.serving.packing import MessageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.types import Array, Field, SimulatorSpec


@dataclass(frozen=True)
class Reading:
    """Which keys are read, and what they must hold."""

    spec: SimulatorSpec
    names: Mapping[str, str]
    """The client's key of each part, see `names_of`."""

    @property
    def expected(self) -> dict[str, str]:
        """What each key of the client must hold, in words."""
        fields = observation_fields(self.spec)
        return {key: _words(part, fields[part]) for part, key in self.names.items()}

    def row(self, message: object) -> dict[str, Array]:
        """Return the observation fields of a row; what else the message holds is not looked at.

        Raise MessageError, which says what was expected, unless all of it is there and fits. What
        only training sees is 0.
        """
        if not isinstance(message, dict):
            raise MessageError(f"an observation is a map of {_listed(self.expected)}")
        given = cast("Mapping[object, object]", message)
        missing = [key for key in self.names.values() if key not in given]
        if missing:
            there = ", ".join(sorted(repr(key)[:60] for key in [*given][:20])) or "nothing"
            raise MessageError(
                f"the observation lacks {', '.join(missing)}; expected are "
                f"{_listed(self.expected)}; it has {there}"
            )
        row = self.empty()
        for part, key in self.names.items():
            row[part] = _read(part, key, given[key], row[part])
        return row

    def empty(self) -> dict[str, Array]:
        """Return a row that shows nothing."""
        fields = observation_fields(self.spec)
        return {name: np.zeros(field.shape, field.dtype) for name, field in fields.items()}


def _array_of(value: object) -> Array | None:
    return cast("Array", value) if isinstance(value, np.ndarray) else None


def _read(part: str, key: str, value: object, like: Array) -> Array:
    if part == WORDS:
        return _instruction(key, value)
    array = _array_of(value)
    is_image = like.dtype == np.uint8
    if array is None or array.shape != like.shape or not _fits(array, is_image=is_image):
        raise MessageError(f"{key} must be {_array_words(like)}, it is {_described(value)}")
    with np.errstate(over="ignore"):  # what is too large becomes infinite
        converted = array.astype(like.dtype)
    if not is_image and not np.isfinite(converted).all():
        raise MessageError(f"{key} must be finite numbers")
    return converted


def _fits(array: Array, *, is_image: bool) -> bool:
    return array.dtype == np.uint8 if is_image else array.dtype.kind in "iuf"


def _instruction(key: str, value: object) -> Array:
    if not isinstance(value, str):
        raise MessageError(f"{key} must be a text, it is {_described(value)}")
    try:
        return encode_instruction(value)
    except ValueError as error:  # too long, or half a surrogate
        raise MessageError(f"{key}: {str(error)[:200]}") from None


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        array = cast("Array", value)
        return f"{array.dtype.name} {list(array.shape)}"
    return f"of type {type(value).__name__}"


def _words(part: str, field: Field) -> str:
    return "text" if part == WORDS else f"{field.dtype} {list(field.shape)}"


def _array_words(like: Array) -> str:
    return f"an array {like.dtype.name} {list(like.shape)}"


def _listed(expected: Mapping[str, str]) -> str:
    return ", ".join(f"{key} ({what})" for key, what in expected.items())
