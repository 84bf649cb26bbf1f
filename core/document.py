"""A YAML text as plain data that remembers where each key was written.

The YAML taken is a small and harmless part: mappings, lists, and scalars by the rules of YAML
1.2 (`1e-5` is a number, `yes` a text); no tags, no aliases, bounded size and nesting.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, cast

import yaml

from rlvla.core.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlvla.core.component import Place

Plain: TypeAlias = "dict[str, Any]"
Marks: TypeAlias = "dict[Place, Mark]"

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_NODES = 10_000
MAX_DIGITS = 30

_NULL = re.compile(r"(~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"([-+]?[0-9]+(_[0-9]+)*|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(
    r"([-+]?(\.[0-9]+|[0-9]+(_[0-9]+)*(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z"
)


@dataclass(frozen=True)
class Mark:
    """Where a value was set: a line and column of a file (from 1), an override, or a default."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source

    @property
    def origin(self) -> str:
        """The place without its column, as `rlvla show --origin` prints it."""
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True)
class Document:
    """Plain data and the mark of each of its places; `()` is the whole."""

    data: Plain
    marks: Marks

    def mark(self, place: Place) -> Mark:
        """Return the mark of `place`, or of the innermost container of it that has one."""
        while place not in self.marks and place:
            place = place[:-1]
        return self.marks[place]


def complain(mark: Mark, message: str, place: Place = ()) -> ManifestError:
    """Return the error that says in one printable line what is wrong where."""
    where = f"{dotted(place)}: " if place else ""
    line = " ".join(f"{mark}: {where}{message}".split())
    return ManifestError("".join(c if c.isprintable() else repr(c)[1:-1] for c in line))


def dotted(place: Place) -> str:
    """Return a place as overrides and messages write it: `phases.0.budget`."""
    return ".".join(str(key)[:80] for key in place)


def parse(text: str, source: str) -> Document:
    """Parse a manifest; raise ManifestError if it is not YAML or not a mapping."""
    data, marks = parse_value(text, source)
    if not isinstance(data, dict):
        raise complain(Mark(source, 1, 1), "expected a mapping of settings, see `rlvla: 1`")
    return Document(cast("Plain", data), marks)


def parse_value(text: str, source: str) -> tuple[object, Marks]:
    """Parse any value; raise ManifestError if it is not YAML."""
    reader = _Reader(source)
    try:
        return reader.read(text), reader.marks
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        mark = Mark(source, at.line + 1, at.column + 1) if at else Mark(source, 1, 1)
        what = f"{error.problem or 'not YAML'} {error.context or ''}"
        raise complain(mark, f"not valid YAML: {what.strip()}") from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position].split("\n")
        mark = Mark(source, len(before), len(before[-1]) + 1)
        raise complain(mark, "not valid YAML: this control character is not allowed") from None
    except UnicodeEncodeError:
        raise complain(reader.last, "half of a character pair is not a text") from None
    except (ValueError, OverflowError) as error:
        raise complain(reader.last, f"not valid YAML: {error}") from None


def scalar(text: str) -> object:
    """Return what an unquoted text means: null, a boolean, a number, or itself."""
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text.lower() == "true"
    if _INT.match(text):
        if len(text) > MAX_DIGITS:
            raise ValueError(f"a whole number has at most {MAX_DIGITS} digits")
        return int(text, 16 if text.startswith("0x") else 10)
    if _FLOAT.match(text):
        return float(text.lower().replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    return text


def dump(data: object) -> str:
    """Return plain data as YAML that `parse` reads back equal."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Quotes every text that `scalar` would take for something else."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        # PyYAML folds line separators that it does not escape, which it does between " only
        style = None if text.isprintable() else '"'
        tag = "tag:yaml.org,2002:str"
        return cast("yaml.ScalarNode", cast("Any", self).represent_scalar(tag, text, style=style))


_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.yaml_implicit_resolvers = {
    None: [
        ("tag:yaml.org,2002:null", _NULL),
        ("tag:yaml.org,2002:bool", _BOOL),
        ("tag:yaml.org,2002:int", _INT),
        ("tag:yaml.org,2002:float", _FLOAT),
    ]
}


class _Reader:
    """Builds data from parser events, so that nothing is built that is not wanted."""

    def __init__(self, source: str) -> None:
        self.marks: Marks = {}
        self.last = Mark(source, 1, 1)
        self._source = source
        self._nodes = 0
        self._events: Iterator[yaml.Event] = iter(())

    def read(self, text: str) -> object:
        """Return the only document of `text`."""
        self._events = cast("Any", yaml).parse(text, Loader=yaml.SafeLoader)
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        value = self._value(self._next(), ())
        while not isinstance(event := self._next(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                self._refuse("a manifest is one YAML document, this is a second")
        return value

    def _next(self) -> yaml.Event:
        event = next(self._events)
        at = cast("yaml.Mark", event.start_mark)
        self.last = Mark(self._source, at.line + 1, at.column + 1)
        return event

    def _value(self, event: yaml.Event, place: Place) -> object:
        self._nodes += 1
        self.marks.setdefault(place, self.last)
        if self._nodes > MAX_NODES:
            self._refuse(f"a manifest has at most {MAX_NODES} values")
        if isinstance(event, yaml.AliasEvent):
            self._refuse("aliases are not supported, refer to a value by ${key}")
        if getattr(event, "tag", None) is not None:
            self._refuse("tags are not supported, write the value without it")
        if len(place) > MAX_DEPTH:
            self._refuse(f"nested deeper than {MAX_DEPTH}")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(place)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(place)
        return self._scalar(event)

    def _mapping(self, place: Place) -> Plain:
        entries: Plain = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event)
            if key in entries:
                self._refuse(f"key {key!r} is given twice in the same mapping")
            self.marks[(*place, key)] = self.last
            entries[key] = self._value(self._next(), (*place, key))
        return entries

    def _key(self, event: yaml.Event) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse("a key must be a name")
        if event.tag is not None:
            self._refuse("tags are not supported, write the key without it")
        event.value.encode()
        return str(event.value)

    def _list(self, place: Place) -> list[object]:
        items: list[object] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._value(event, (*place, len(items))))
        return items

    def _scalar(self, event: yaml.Event) -> object:
        if not isinstance(event, yaml.ScalarEvent):
            return None
        event.value.encode()
        return scalar(event.value) if event.implicit[0] else str(event.value)

    def _refuse(self, message: str) -> NoReturn:
        raise complain(self.last, message)
