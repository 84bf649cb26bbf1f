"""References between values of a manifest: `${key.path}`, `${env:NAME}` and `${secret:NAME}`.

A reference names one single value, so that a resolved manifest is never larger than its text
allows. `\\${` is a literal `${`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from rlvla.core.component import OptionError
from rlvla.core.document import scalar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.component import Key, Place
    from rlvla.core.document import Plain

_REFERENCE = re.compile(r"(?P<escape>\\?)\$\{(?P<inner>[^${}]*)\}")
MAX_LENGTH = 1 << 16
MAX_CHAIN = 16


class Secret(str):
    """A text that is not shown by `repr`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Interpolation:
    """Resolves the references of one tree.

    `environment` holds the variables that `${env:…}` and `${secret:…}` may name. Without it
    those references (and escapes) stay as they are written, which is the form that is saved.
    """

    def __init__(self, data: Plain, environment: Mapping[str, str] | None) -> None:
        self._data = data
        self._environment = environment
        allowed = data.get("environment")
        self._allowed = cast("list[object]", allowed) if isinstance(allowed, list) else []
        self._done: dict[Place, object] = {}

    def resolve(self) -> Plain:
        """Return the tree without references; raise OptionError at the first wrong one."""
        return cast("Plain", self._tree(self._data, ()))

    def _tree(self, value: object, place: Place) -> object:
        if isinstance(value, dict):
            entries = cast("Plain", value)
            return {key: self._tree(item, (*place, key)) for key, item in entries.items()}
        if isinstance(value, list):
            items = cast("list[object]", value)
            return [self._tree(item, (*place, i)) for i, item in enumerate(items)]
        try:
            return self._single(value, place, ())
        except OptionError as error:
            raise OptionError(error.message, place) from None

    def _single(self, value: object, place: Place, asking: tuple[Place, ...]) -> object:
        if place in asking or len(asking) >= MAX_CHAIN:
            why = "in a circle" if place in asking else f"through more than {MAX_CHAIN} values"
            raise OptionError(f"this reference leads {why}")
        if place not in self._done:
            known = isinstance(value, str) and "${" in value and place[:1] != ("environment",)
            asking = (*asking, place)
            self._done[place] = self._text(cast("str", value), asking) if known else value
        return self._done[place]

    def _text(self, text: str, asking: tuple[Place, ...]) -> object:
        if "${" in _REFERENCE.sub("", text):
            raise OptionError("a reference is ${key.path}, not nested, and closed by }")
        whole = _REFERENCE.fullmatch(text)
        if whole and not whole["escape"]:
            return self._value(whole, asking)
        pieces, end, secret = list[str](), 0, False
        for match in _REFERENCE.finditer(text):
            value = self._value(match, asking)
            secret = secret or isinstance(value, Secret)
            pieces += [text[end : match.start()], _spelled(value)]
            end = match.end()
        joined = "".join([*pieces, text[end:]])
        if len(joined) > MAX_LENGTH:
            raise OptionError(f"the text that this makes is longer than {MAX_LENGTH}")
        return Secret(joined) if secret else joined

    def _value(self, match: re.Match[str], asking: tuple[Place, ...]) -> object:
        kind, colon, name = match["inner"].strip().partition(":")
        if match["escape"]:
            return match[0] if self._environment is None else match[0][1:]
        if colon:
            return self._variable(kind, name, match[0])
        place = find(self._data, kind)
        target = at(self._data, place)
        if isinstance(target, dict | list):
            raise OptionError(f"{match[0]} is not a single value and cannot be referred to")
        return self._single(target, place, asking)

    def _variable(self, kind: str, name: str, reference: str) -> object:
        if kind not in ("env", "secret"):
            raise OptionError(
                f"{reference}: expected ${{key.path}}, ${{env:NAME}} or ${{secret:NAME}}"
            )
        if name not in self._allowed:
            raise OptionError(
                f"{reference}: {name!r} is not allowed, list it as `environment: [{name}]`"
            )
        if self._environment is None:
            return reference
        if name not in self._environment:
            raise OptionError(f"{reference}: the environment variable {name!r} is not set")
        value = self._environment[name]
        return Secret(value) if kind == "secret" else scalar(value)


def find(data: Plain, path: str) -> Place:
    """Return the place that a dotted path names; raise OptionError where it leads nowhere."""
    place: tuple[Key, ...] = ()
    value: Any = data
    for part in path.split("."):
        key: Key = int(part) if isinstance(value, list) and part.isdecimal() else part
        try:
            value = cast("Any", value)[key]
        except (LookupError, TypeError):
            raise OptionError(f"${{{path}}}: there is no {part!r} to refer to") from None
        place = (*place, key)
    return place


def at(data: Plain, place: Place) -> object:
    """Return the value at a place that exists."""
    value: Any = data
    for key in place:
        value = value[key]
    return value


def _spelled(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str.__str__(value) if isinstance(value, str) else str(value)
