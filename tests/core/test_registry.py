from __future__ import annotations

import re

import pytest

from rlvla.core.registry import (
    Components,
    DuplicateComponentError,
    Registry,
    UnknownComponentError,
)


def _registry(owner: str = "mine") -> Registry[object]:
    registry: Registry[object] = Registry("simulator")
    registry.owner = owner
    return registry


def test_a_typo_is_explained() -> None:
    registry = _registry()
    registry.add("tabletop", object)
    registry.add("maze", object)
    expected = "no simulator named 'tabeltop'. Did you mean 'tabletop'? Registered: maze, tabletop."
    with pytest.raises(UnknownComponentError, match=re.escape(expected)):
        registry["tabeltop"]


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    expected = "no simulator named 'xyz'. Registered: none."
    with pytest.raises(UnknownComponentError, match=re.escape(expected)):
        _registry()["xyz"]


def test_a_name_registered_twice_names_both_owners() -> None:
    components = Components()
    first, second = components.owned_by("first"), components.owned_by("second")
    first.simulators.add("line", object)  # type: ignore[arg-type]  # any factory will do
    components.merge(first)
    second.models.add("tiny", object)  # type: ignore[arg-type]  # as above
    second.simulators.add("line", object)  # type: ignore[arg-type]  # as above
    expected = "simulator 'line' is registered twice: by 'first' and by 'second'"
    with pytest.raises(DuplicateComponentError, match=re.escape(expected)):
        components.merge(second)
    assert [*components.models] == []


def test_a_plugin_cannot_register_a_name_twice() -> None:
    registry = _registry()
    registry.add("line", object)
    expected = "simulator 'line' is registered twice: by 'mine' and by 'mine'"
    with pytest.raises(DuplicateComponentError, match=expected):
        registry.add("line", object)


def test_a_module_is_imported_when_its_component_is_used() -> None:
    registry = _registry()
    registry.add("missing", "no_such_module:Thing")
    registry.add("fraction", "fractions:Fraction")
    assert registry["fraction"](3).__class__.__name__ == "Fraction"
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        registry["missing"]


def test_a_factory_that_is_given_as_it_is_is_returned_as_it_is() -> None:
    registry = _registry()
    registry.add("dictionary", dict)
    assert registry["dictionary"] is dict


def test_names_are_sorted_and_know_their_owner() -> None:
    components = Components()
    mine = components.owned_by("mine")
    mine.sharding.add("odd", "a:B")
    mine.sharding.add("even", "a:C")
    components.merge(mine)
    assert [*components.sharding] == ["even", "odd"]
    assert components.sharding.owner_of("odd") == "mine"
    assert components.sharding.owned_by("mine") == ["even", "odd"]
    assert components.sharding.owned_by("yours") == []
    assert "odd" in components.sharding
    assert "prime" not in components.sharding


def test_every_kind_has_one_registry() -> None:
    kinds = [registry.kind for registry in Components()]
    assert kinds == [
        "simulator",
        "model",
        "algorithm",
        "proximal",
        "correction",
        "recording",
        "batching",
        "sharding",
        "logger",
        "runtime",
    ]
