from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, cast

import pytest

from rlvla.core import interfaces
from rlvla.core.plugins import Plugins
from rlvla.core.registry import Components
from rlvla.plugins import BUILTIN

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTRACTS: dict[str, type] = {
    name: one
    for name, one in vars(interfaces).items()
    if isinstance(one, type) and Protocol in one.__mro__
}


def _members(contract: type) -> dict[str, object]:
    """Return what the contract names itself: methods, properties and annotated attributes."""
    named: dict[str, object] = {**contract.__annotations__, **vars(contract)}
    return {name: one for name, one in named.items() if not name.startswith("_")}


def _methods(contract: type) -> list[tuple[str, object]]:
    return [(name, one) for name, one in _members(contract).items() if name in vars(contract)]


def _builtin() -> Components:
    plugins = Plugins()
    plugins.load_builtin(BUILTIN)
    return plugins.components


COMPONENTS = [(registry.kind, name) for registry in _builtin() for name in registry]


REQUIRED: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "auto": {"latencies": Path("latencies.yaml"), "cores": 4},
        "envpool": {"env": "HalfCheetah-v5"},
        "gymnasium": {"env": "Pendulum-v1"},
        "lerobot": {"path": Path("dataset")},
        "robocasa": {"task": "CloseFridge"},
        "tables": {"lanes": [[2]]},
    }
)
"""Options that some components cannot do without."""


def test_every_kind_of_component_has_a_contract() -> None:
    assert {registry.kind.capitalize() for registry in Components()} <= CONTRACTS.keys()


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_method_of_a_contract_says_what_it_promises(contract: str) -> None:
    assert [name for name, one in _methods(CONTRACTS[contract]) if not inspect.getdoc(one)] == []
    assert inspect.getdoc(CONTRACTS[contract])


@pytest.mark.parametrize(("kind", "name"), COMPONENTS)
def test_a_built_in_component_has_all_that_its_contract_names(kind: str, name: str) -> None:
    contract = CONTRACTS[kind.capitalize()]
    registry = next(one for one in _builtin() if one.kind == kind)
    made = cast("Any", registry[name](**REQUIRED.get(name, {})))
    options = {one.name for one in fields(made)}
    assert set(_members(contract)) - options - {*dir(made)} == set()
