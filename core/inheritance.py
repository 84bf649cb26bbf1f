"""Several manifests as one: defaults, what `extends` names, the file itself, and overrides.

Later wins. Mappings are merged key by key, everything else is replaced; a component that
changes its `type` keeps no option of the former one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from rlvla.core.document import (
    MAX_BYTES,
    MAX_DEPTH,
    Document,
    Mark,
    complain,
    parse,
    parse_value,
)
from rlvla.core.errors import ManifestError
from rlvla.core.wording import show

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.component import Key, Place
    from rlvla.core.document import Marks, Plain

MAX_CHAIN = 8
MAX_FILES = 64

_PACKAGED = re.compile(r"[\w-]+(/[\w-]+)*(\.yaml)?")
_SINGLE: tuple[Place, ...] = (
    ("simulator",),
    ("model",),
    ("algorithm",),
    ("runtime",),
    ("schedulers", "batching"),
    ("schedulers", "sharding"),
)
_RIVALS = {"phases": ("algorithm", "budget"), "algorithm": ("phases",)}


class Composer:
    """Reads a manifest and, first, everything it extends."""

    def __init__(self, packaged: Path) -> None:
        self._packaged = packaged
        self._read = 0

    def compose(self, source: Path) -> Document:
        """Return the merged document of a path or packaged name."""
        found = self._find(source)
        if found is None:
            named = (one.relative_to(self._packaged) for one in self._packaged.rglob("*.yaml"))
            near = ", ".join(sorted(str(one.with_suffix("")) for one in named))
            raise complain(Mark(str(source)), f"no such manifest; packaged ones: {near or 'none'}")
        return self._compose(found, ())

    def _find(self, source: Path) -> Path | None:
        named = self._packaged / source.with_suffix(".yaml")
        if not source.exists() and _PACKAGED.fullmatch(source.as_posix()) and named.is_file():
            return named
        return source if source.exists() else None

    def _compose(self, path: Path, chain: tuple[Path, ...]) -> Document:
        own = expand(parse(read(path), str(path)))
        self._read += 1
        chain = (*chain, path.resolve())
        merged = Document({}, {(): own.marks[()]})
        for parent, mark in self._parents(own):
            merged = merge(merged, self._compose(self._parent(path, parent, mark, chain), chain))
        own.data.pop("extends", None)
        return merge(merged, own)

    def _parents(self, own: Document) -> list[tuple[str, Mark]]:
        value = own.data.get("extends", [])
        names = cast("list[object]", value if isinstance(value, list) else [value])
        parents: list[tuple[str, Mark]] = []
        for i, name in enumerate(names):
            mark = own.mark(("extends", i))
            if not isinstance(name, str) or not name:
                raise complain(mark, f"expected a file or name, got {show(name)}", ("extends",))
            parents.append((name, mark))
        return parents

    def _parent(self, path: Path, name: str, mark: Mark, chain: tuple[Path, ...]) -> Path:
        beside = path.parent / name
        found = beside if beside.is_file() else self._find(type(path)(name))
        if found is None:
            raise complain(mark, f"no such manifest {name!r} beside this one", ("extends",))
        if found.resolve() in chain:
            raise complain(mark, f"{name!r} extends itself in a circle", ("extends",))
        if len(chain) > MAX_CHAIN or self._read >= MAX_FILES:
            limits = f"{MAX_CHAIN} levels or {MAX_FILES} files"
            raise complain(mark, f"a manifest extends at most {limits}", ("extends",))
        return found


def read(path: Path) -> str:
    """Return the text of a manifest file; raise ManifestError if it is none."""
    try:
        if not path.is_file():
            raise complain(Mark(str(path)), "this is not a file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise complain(Mark(str(path), 1, 1), f"larger than {MAX_BYTES} bytes")
        return data.decode()
    except OSError as error:
        raise complain(Mark(str(path)), error.strerror or "cannot be read") from None
    except UnicodeDecodeError as error:
        before = error.object[: error.start].split(b"\n")
        mark = Mark(str(path), len(before), len(before[-1]) + 1)
        raise complain(mark, "expected UTF-8 text") from None


def expand(document: Document) -> Document:
    """Write a component that is only a name as `{type: NAME}`."""
    data = document.data
    phases = [("phases", i, "algorithm") for i in range(_length(data.get("phases")))]
    loggers = [("log", i) for i in range(_length(data.get("log")))]
    for place in (*_SINGLE, *phases, *loggers):
        container = _inside(data, place[:-1])
        name = _item(container, place[-1])
        if isinstance(name, str):
            cast("Any", container)[place[-1]] = {"type": name}
            document.marks[(*place, "type")] = document.mark(place)
    return document


def _length(value: object) -> int:
    return len(cast("list[object]", value)) if isinstance(value, list) else 0


def _inside(value: object, place: Place) -> object:
    for key in place:
        value = _item(value, key)
    return value


def _item(container: object, key: Key) -> object:
    """Return an item of a mapping or list, or None if there is none."""
    if isinstance(container, dict):
        return cast("dict[Key, object]", container).get(key)
    items = cast("list[object]", container)
    return items[key] if isinstance(container, list) and isinstance(key, int) else None


def merge(base: Document, over: Document) -> Document:
    """Return `base` with what `over` says."""
    data, marks = dict(base.data), dict(base.marks)
    for key in over.data:
        for rival in _RIVALS.get(key, ()):
            if rival in data and rival not in over.data:
                _forget(data, marks, (rival,))
    marks[()] = over.marks[()]
    _merge_into(data, marks, over.data, over.marks, ())
    return Document(data, marks)


def _merge_into(data: Plain, marks: Marks, over: Plain, over_marks: Marks, place: Place) -> None:
    for key, value in over.items():
        here = (*place, key)
        old = data.get(key)
        if _mergeable(old, value):
            data[key] = dict(cast("Plain", old))
            marks[here] = over_marks[here]
            _merge_into(data[key], marks, cast("Plain", value), over_marks, here)
            continue
        if key in data:
            _forget(data, marks, here, data)
        data[key] = value
        n = len(here)
        marks |= {at: mark for at, mark in over_marks.items() if at[:n] == here}


def _mergeable(old: object, new: object) -> bool:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return False
    before, after = cast("Plain", old).get("type"), cast("Plain", new).get("type")
    return before is None or after is None or before == after


def _forget(data: Plain, marks: Marks, place: Place, container: Plain | None = None) -> None:
    (data if container is None else container).pop(str(place[-1]), None)
    n = len(place)
    for at in [at for at in marks if at[:n] == place]:
        del marks[at]


def override(document: Document, text: str) -> Document:
    """Return the document with one `key.path=value` of the command line applied."""
    path, equals, spelled = text.partition("=")
    mark = Mark(f"-s {text if len(text) <= 120 else text[:117] + '...'}")
    parts = [part.strip() for part in path.split(".")]
    if not equals or not all(parts) or len(parts) > MAX_DEPTH:
        raise complain(mark, "expected key.path=value")
    try:
        value, inner = parse_value(spelled, "-s")
    except ManifestError as error:
        reason = str(error).partition(": ")[2]
        raise complain(mark, f"the value is {reason}") from None
    marks = dict(document.marks)
    place = _set(document.data, parts, value, mark)
    n = len(place)
    marks = {at: old for at, old in marks.items() if at[:n] != place}
    marks |= {(*place, *below): mark for below in inner}
    for length in range(1, n):
        marks.setdefault(place[:length], mark)
    return expand(Document(document.data, marks))


def _set(data: Plain, parts: list[str], value: object, mark: Mark) -> Place:
    container: Any = data
    place: tuple[Key, ...] = ()
    for part in parts[:-1]:
        key = _key(container, part, mark, place)
        if _item(container, key) is None:
            container[key] = {}
        place = (*place, key)
        container = container[key]
    key = _key(container, parts[-1], mark, place)
    container[key] = value
    return (*place, key)


def _key(container: object, part: str, mark: Mark, place: Place) -> Key:
    if isinstance(container, dict):
        return part
    length = _length(container)
    if not isinstance(container, list):
        raise complain(mark, f"this is {show(container)} and holds no {part!r}", place)
    if not part.isdecimal() or len(part) > 4 or int(part) >= length:
        raise complain(mark, f"expected an index below {length}, got {part!r}", place)
    return int(part)
