"""An option of a component may be a component: named, checked, shown and saved like any other."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from rlvla.core.component import construct, describe
from rlvla.core.errors import ManifestError
from rlvla.core.interfaces import Correction, Proximal  # noqa: TC001 - read at run time
from rlvla.core.manifest import from_plain, load, origins, save
from rlvla.core.registry import Components

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rlvla.core.settings import Manifest
    from rlvla.core.types import Field, SimulatorSpec

TEXT = """rlvla: 1
name: nested
simulator: {type: toy}
model: {type: tiny}
algorithm:
  type: clip
  centre: {type: average, beta: 0.5}
budget: {updates: 3}
"""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A centre without options."""


@dataclass(frozen=True, kw_only=True)
class Average:
    """A centre that may have another one inside."""

    beta: float = 0.9
    inner: Proximal | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.beta < 1:
            raise ValueError(f"beta must be below 1, got {self.beta}")


@dataclass(frozen=True, kw_only=True)
class Cap:
    """Bounds weights."""

    at: float = 5.0


@dataclass(frozen=True, kw_only=True)
class Clip:
    """An algorithm with components as options."""

    batch_size: int = 64
    micro_batch_size: int = 16
    centre: Proximal = field(default_factory=Record)  # type: ignore[assignment]  # has no methods
    cap: Correction | None = None
    demonstrations = 0
    grouping = None
    cotraining = None
    recording = None
    compared = MappingProxyType(dict[str, Any]())

    def check(self, spec: SimulatorSpec, model: Mapping[str, Field]) -> None:
        if getattr(self.cap, "at", None) == 1.0:
            raise ValueError("cap.at 1 leaves nothing")


@pytest.fixture(name="nested")
def nested_components(components: Components) -> Components:
    """Return the small components and an algorithm with components as options."""
    kinds: Any = Components().owned_by("nested")
    kinds.algorithms.add("clip", Clip)
    kinds.proximals.add("record", Record)
    kinds.proximals.add("average", Average)
    kinds.corrections.add("cap", Cap)
    everything = Components()
    everything.merge(components)
    everything.merge(kinds)
    return everything


def _load(folder: Path, kinds: Components, text: str = TEXT, *overrides: str) -> Manifest:
    path = folder / "nested.yaml"
    path.write_text(text)
    return load(path, kinds, overrides=overrides)


def _algorithm(manifest: Manifest) -> Any:  # noqa: ANN401 - a toy
    return manifest.phases[0].algorithm


def test_a_component_is_built_from_its_type_and_options(tmp_path: Path, nested: Components) -> None:
    manifest = _load(tmp_path, nested)
    assert _algorithm(manifest) == Clip(centre=Average(beta=0.5))  # type: ignore[arg-type]


@pytest.mark.parametrize("spelled", ["average", "{type: average}", "{type: average, beta: 0.9}"])
def test_a_name_alone_stands_for_its_defaults(
    tmp_path: Path, nested: Components, spelled: str
) -> None:
    manifest = _load(tmp_path, nested, TEXT.replace("{type: average, beta: 0.5}", spelled))
    assert _algorithm(manifest).centre == Average()
    shown = manifest.plain["algorithm"]["centre"]
    assert shown == {"type": "average", "beta": 0.9, "inner": None}


def test_components_may_be_nested_further(tmp_path: Path, nested: Components) -> None:
    manifest = _load(tmp_path, nested, TEXT, "algorithm.centre.inner={type: average, beta: 0.1}")
    assert _algorithm(manifest).centre.inner == Average(beta=0.1)


def test_a_default_is_shown_by_its_name(tmp_path: Path, nested: Components) -> None:
    text = TEXT.replace("  centre: {type: average, beta: 0.5}\n", "")
    assert _load(tmp_path, nested, text).plain["algorithm"]["centre"] == {"type": "record"}
    values = {one.key: (one.value, one.where) for one in origins(tmp_path / "nested.yaml", nested)}
    assert values["algorithm.centre.type"] == ("record", "default")
    assert values["algorithm.cap"] == (None, "default")


@pytest.mark.parametrize("override", ["algorithm.cap=cap", "algorithm.cap={type: cap, at: 2}"])
def test_a_saved_manifest_reads_back_the_same(
    tmp_path: Path, nested: Components, override: str
) -> None:
    manifest = _load(tmp_path, nested, TEXT, override)
    save(manifest, tmp_path / "saved.yaml")
    again = load(tmp_path / "saved.yaml", nested)
    assert _algorithm(again) == _algorithm(manifest)
    assert again.plain == manifest.plain
    assert _algorithm(from_plain(manifest.plain, nested)) == _algorithm(manifest)


def test_a_worker_process_builds_the_same(tmp_path: Path, nested: Components) -> None:
    algorithm = _algorithm(_load(tmp_path, nested, TEXT, "algorithm.cap={type: cap, at: 2.5}"))
    plain = describe(algorithm)
    assert plain["centre"]["type"].endswith(":Average")
    assert construct(plain) == algorithm


@pytest.mark.parametrize(
    ("centre", "told"),
    [
        (
            "averag",
            "7:3: algorithm.centre.type: no proximal named 'averag', did you mean 'averag",
        ),
        ("{type: recrod}", "7:12: algorithm.centre.type: no proximal named 'recrod', did you mean"),
        ("{type: cap}", "7:12: algorithm.centre.type: no proximal named 'cap', expected average,"),
        ("{beta: 0.5}", "7:3: algorithm.centre: missing value 'type', expected average, record"),
        (
            "{type: average, bta: 0.5}",
            "7:27: algorithm.centre.bta: unknown key 'bta', did you",
        ),
        ("{type: average, beta: x}", "7:27: algorithm.centre.beta: expected a number, got 'x'"),
        ("{type: average, beta: 2}", "7:27: algorithm.centre.beta: beta must be below 1, got 2.0"),
        ("3", "7:3: algorithm.centre: expected a proximal as {type: NAME}, got 3"),
        ("[record]", "7:3: algorithm.centre: expected a proximal as {type: NAME}, got a list"),
        ("", "7:3: algorithm.centre: expected a proximal, got null"),
        ("record\n  cap: {type: cap, at: 1}", "8:20: algorithm.cap.at: cap.at 1 leaves nothing"),
    ],
)
def test_mistakes_are_told_with_their_place(
    tmp_path: Path, nested: Components, centre: str, told: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        _load(tmp_path, nested, TEXT.replace("{type: average, beta: 0.5}", centre))
    assert str(caught.value).startswith(f"{tmp_path / 'nested.yaml'}:{told}")


def test_a_description_in_a_manifest_builds_nothing(tmp_path: Path, nested: Components) -> None:
    spelled = "{type: 'subprocess:Popen', args: [touch, built]}"
    with pytest.raises(ManifestError, match="no proximal named 'subprocess:Popen'"):
        _load(tmp_path, nested, TEXT.replace("{type: average, beta: 0.5}", spelled))
