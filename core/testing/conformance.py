"""What checks have in common: how a rule is stated and an array compared with its field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.component import construct, describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.types import Array, Field


class ConformanceError(AssertionError):
    """A component breaks a rule of its interface."""


def expect(rule: str, *, holds: object) -> None:
    """Raise `ConformanceError` with the sentence `rule` unless it holds."""
    if not holds:
        raise ConformanceError(rule)


def check_row(what: str, row: Mapping[str, Array], fields: Mapping[str, Field]) -> None:
    """Compare named arrays with the fields that were promised: names, dtypes, shapes, finite."""
    expect(
        f"{what} must hold {', '.join(sorted(fields))}, it holds {', '.join(sorted(row))}",
        holds=row.keys() == fields.keys(),
    )
    for name, field in fields.items():
        array = np.asanyarray(row[name])
        expect(
            f"{name!r} of {what} must be {field.dtype} {list(field.shape)}, "
            f"it is {array.dtype} {list(array.shape)}",
            holds=(array.dtype, array.shape) == (np.dtype(field.dtype), field.shape),
        )
        expect(
            f"{name!r} of {what} must be finite",
            holds=array.dtype.kind != "f" or np.isfinite(array).all(),
        )


def check_description(component: object) -> None:
    """Check that a worker process can build the same component from its options."""
    plain = describe(component)
    again = describe(construct(plain))
    expect(
        f"a {type(component).__name__} built from its own options must have the same options",
        holds=plain == again,
    )
