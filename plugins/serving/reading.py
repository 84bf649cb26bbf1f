"""A client's observation becomes the row that a policy looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from rlvla.core.types import encode_instruction, observation_fields
from rlvla.plugins.serving.names import WORDS
from rlvla.plugins.serving.packing import MessageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.types import Array, Field, SimulatorSpec


@dataclass(frozen=True)
class Reading:
    """Which keys are read, and what they must hold."""

    spec: SimulatorSpec
    names: Mapping[str, Sequence[str]]
    """The client's keys of each part, see `names_of`."""

    @property
    def expected(self) -> dict[str, str]:
        """What the keys of the client must hold, in words; with a plus between those of a part."""
        fields = observation_fields(self.spec)
        return {_together(keys): _words(part, fields[part]) for part, keys in self.names.items()}

    def row(self, message: object) -> dict[str, Array]:
        """Return the observation fields of a row; what else the message holds is not looked at.

        Raise MessageError, which says what was expected, unless all of it is there and fits. What
        only training sees is 0.
        """
        if not isinstance(message, dict):
            raise MessageError(f"an observation is a map of {_listed(self.expected)}")
        given = _flat(cast("Mapping[object, object]", message))
        missing = [key for keys in self.names.values() for key in keys if key not in given]
        if missing:
            there = ", ".join(sorted(repr(key)[:60] for key in [*given][:20])) or "nothing"
            raise MessageError(
                f"the observation lacks {', '.join(missing)}; expected are "
                f"{_listed(self.expected)}; it has {there}"
            )
        row = self.empty()
        for part, keys in self.names.items():
            values = [given[key] for key in keys]
            row[part] = _read(part, _together(keys), values, row[part])
        return row

    def empty(self) -> dict[str, Array]:
        """Return a row that shows nothing."""
        fields = observation_fields(self.spec)
        return {name: np.zeros(field.shape, field.dtype) for name, field in fields.items()}


def _flat(message: Mapping[object, object]) -> dict[object, object]:
    """Return a map without maps in it; their keys have the outer ones before them."""
    flat: dict[object, object] = {}
    for key, value in message.items():
        if isinstance(value, dict):
            inner = cast("Mapping[object, object]", value)
            flat |= {f"{key}/{name}": one for name, one in inner.items()}
        else:
            flat[key] = value
    return flat


def _together(keys: Sequence[str]) -> str:
    return " + ".join(keys)


def _read(part: str, key: str, values: Sequence[object], like: Array) -> Array:
    if part == WORDS:
        return _instruction(key, values[0])
    is_image = like.dtype == np.uint8
    array = _upright(values[0], like) if is_image else _joined(values)
    if array is None or array.shape != like.shape:
        told = ", ".join(_described(value) for value in values)
        raise MessageError(f"{key} must be {_array_words(like)}, it is {told}")
    with np.errstate(over="ignore"):  # what is too large becomes infinite
        converted = array.astype(like.dtype)
    if not is_image and not np.isfinite(converted).all():
        raise MessageError(f"{key} must be finite numbers")
    return converted


def _upright(value: object, like: Array) -> Array | None:
    """Return an image [H, W, 3]; some clients send colours first."""
    array = _array_of(value)
    if array is None or array.dtype != np.uint8:
        return None
    colours_first = array.shape == (3, *like.shape[:2]) != like.shape
    return array.transpose(1, 2, 0) if colours_first else array


def _joined(values: Sequence[object]) -> Array | None:
    """Return the numbers of all values, one after the other."""
    arrays = [_array_of(value) for value in values]
    rows = [one for one in arrays if one is not None and one.ndim == 1 and one.dtype.kind in "iuf"]
    return np.concatenate(rows) if len(rows) == len(arrays) else None


def _array_of(value: object) -> Array | None:
    return cast("Array", value) if isinstance(value, np.ndarray) else None


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
