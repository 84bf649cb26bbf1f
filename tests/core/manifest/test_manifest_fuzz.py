"""Whatever is fed, a manifest is right or refused in one line."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlvla.core.document import dump, parse
from rlvla.core.errors import ManifestError
from rlvla.core.manifest import from_plain, load

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.registry import Components

GOOD: dict[str, Any] = {
    "rlvla": 1,
    "name": "first",
    "environment": ["TOKEN"],
    "simulator": {"type": "toy", "lanes": 4},
    "model": {"type": "tiny", "lora": {"r": 4}, "token": "${secret:TOKEN}"},
    "algorithm": {"type": "learn", "lr": 1e-5},
    "budget": {"updates": 3},
    "async": {"segment": 8},
    "schedulers": {"batching": "dynamic", "sharding": {"type": "even", "shards": 2}},
    "log": ["console"],
}
TEXT = dump(GOOD)

names = st.sampled_from(
    ["toy", "learn", "type", "${name}", "${secret:TOKEN}", "1e-5", "null", "<<"]
)
signs = st.sampled_from(
    ["${", "}", "\\${", "[", "]", "{", "- ", ": ", "!!x ", "&a ", "*a", "#", "\n"]
)
words = names | signs | st.sampled_from(["'", '"', "\x85", "\0"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | words
keys = st.sampled_from(sorted({*GOOD, "type", "phases", "lr", "shards", "extends", "0"})) | words
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)
)
quick = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def attempt(path: Path, components: Components, *overrides: str) -> None:
    """Load; a manifest that is right survives being saved, one that is wrong is explained."""
    environment = {"TOKEN": "c4n4ry"}
    try:
        manifest = load(path, components, overrides=overrides, environment=environment)
    except ManifestError as error:
        said = str(error)
    else:
        said = repr(repr(manifest) + dump(manifest.plain))
        again = from_plain(manifest.plain, components, environment=environment)
        assert repr(again) == repr(manifest)
    assert said.isprintable()
    assert "c4n4ry" not in said


@quick
@given(
    data=st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes(tmp_path: Path, components: Components, data: bytes) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes(data)
    attempt(path, components)


@quick
@given(at=st.integers(0, len(TEXT)), cut=st.integers(0, 6), piece=words | st.text(max_size=3))
def test_any_small_change(
    tmp_path: Path, components: Components, at: int, cut: int, piece: str
) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes((TEXT[:at] + piece + TEXT[at + cut :]).encode("utf-8", "replace"))
    attempt(path, components)


@quick
@given(key=keys, tree=trees, below=st.none() | keys)
def test_any_value_anywhere(
    tmp_path: Path, components: Components, key: str, tree: object, below: str | None
) -> None:
    path = tmp_path / "m.yaml"
    data = copy.deepcopy(GOOD)
    if below is not None and isinstance(data.get(key), dict):
        data[key][below] = tree
    else:
        data[key] = tree
    path.write_text(dump(data), encoding="utf-8")
    attempt(path, components)


@quick
@given(parts=st.lists(keys, min_size=1, max_size=4), value=st.text(max_size=12) | trees.map(dump))
def test_any_override(tmp_path: Path, components: Components, parts: list[str], value: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(TEXT)
    attempt(path, components, f"{'.'.join(parts)}={value}")


@quick
@given(tree=st.dictionaries(st.text(max_size=5), trees, max_size=4))
def test_what_is_dumped_is_parsed_back(tree: dict[str, object]) -> None:
    try:
        parsed = parse(dump(tree), "m.yaml").data
    except ManifestError:
        return
    assert repr(parsed) == repr(tree)
