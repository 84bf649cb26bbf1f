"""What a user calls the types and values of options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, cast, get_args, get_origin

NAMES: Mapping[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path",
    None: "null",
    type(None): "null",
}


def name_of(hint: object) -> str:
    """Return what a user calls the type `hint`."""
    origin = get_origin(hint)
    if origin is Literal:
        return " or ".join(map(show, get_args(hint)))
    if origin in (list, tuple, Sequence):
        return "a list"
    if is_dataclass(hint) or origin in (dict, Mapping):
        return "a mapping"
    if is_contract(hint):
        return f"a {cast('type[Any]', hint).__name__.lower()}"
    return NAMES.get(hint, str(hint))


def show(value: object) -> str:
    """Return `value` as YAML would spell it, cut to fit into a sentence."""
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, Mapping | list | tuple):
        return "a mapping" if isinstance(value, Mapping) else "a list"
    text = repr(value) if not isinstance(value, int) or abs(value) < 1 << 64 else "a huge number"
    return text if len(text) <= 60 else f"{text[:57]}..."


def is_contract(hint: object) -> bool:
    """Whether a type is a `Protocol`, which a component keeps."""
    return isinstance(hint, type) and Protocol in hint.__bases__
