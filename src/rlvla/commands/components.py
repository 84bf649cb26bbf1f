"""Components as `rlvla plugins` names, explains and checks them."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
import types
from dataclasses import MISSING, dataclass, is_dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Union, cast, get_args, get_origin

from rlvla.core.component import describe, option_fields
from rlvla.core.component import hints as hints_of
from rlvla.core.errors import ManifestError
from rlvla.core.wording import name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rlvla.core.plugins import Plugins
    from rlvla.core.registry import Components, Registry


@dataclass(frozen=True)
class Named:
    """A registered component."""

    registry: Registry[Any]
    name: str

    def __str__(self) -> str:
        return f"{self.registry.kind}:{self.name}"

    def make(self) -> object:
        """Construct it with its defaults; raise TypeError if an option has none."""
        return self.registry[self.name]()

    @property
    def needs_options(self) -> bool:
        """Whether an option has no default."""
        cls = self.registry[self.name]
        return isinstance(cls, type) and any(map(_required, option_fields(cls).values()))


def find(plugins: Plugins, name: str) -> list[Named]:
    """Return the components of the plugin `name`, or those of that name (or `kind:name`)."""
    everything = list(_all(plugins.components))
    owned = [one for one in everything if one.registry.owner_of(one.name) == name]
    found = owned or [one for one in everything if name in (one.name, str(one))]
    if not found and name not in {plugin.name for plugin in plugins}:
        known = ", ".join(sorted(str(one) for one in everything))
        raise ManifestError(f"no plugin or component named {name!r}; components: {known}")
    return found


def explain(one: Named, components: Components) -> Iterator[str]:
    """Yield what a component is and its options with type, default and meaning."""
    cls = one.registry[one.name]
    yield f"{one}, from {one.registry.owner_of(one.name)}"
    yield f"  {(inspect.getdoc(cls) or 'Not documented.').splitlines()[0]}"
    if not isinstance(cls, type):
        return
    hints, meanings = hints_of(cls), _meanings(cls)
    for name, field in option_fields(cls).items():
        default = "" if _required(field) else f" = {_spelled(_default(field), components)}"
        yield f"  {name}: {_type(hints[name])}{default}"
        if name in meanings:
            yield textwrap.fill(
                meanings[name], 88, initial_indent=" " * 6, subsequent_indent=" " * 6
            )


def check_of(kind: str, companions: Companions) -> Callable[[Any], None] | None:
    """Return the conformance check of a kind of component, None if it has none."""
    from rlvla.core import testing

    spec, model = companions.simulator.spec, companions.model
    checks: dict[str, Callable[[Any], None]] = {
        "simulator": testing.check_simulator,
        "model": lambda one: testing.check_model(one, spec),
        "algorithm": lambda one: testing.check_algorithm(one, model, spec),
        "proximal": lambda one: testing.check_proximal(one, model, spec),
        "correction": testing.check_correction,
        "recording": lambda one: testing.check_recording(one, spec),
        "batching": testing.check_batching,
        "sharding": testing.check_sharding,
    }
    return checks.get(kind)


@dataclass(frozen=True)
class Companions:
    """What a component that is checked has to do with."""

    simulator: Any
    model: Any


def _all(components: Components) -> Iterator[Named]:
    for registry in components:
        for name in registry:
            yield Named(registry, name)


def _type(hint: object) -> str:
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(map(_type, get_args(hint)))
    return name_of(hint)


def _required(field: Any) -> bool:  # noqa: ANN401 - a dataclass field of any type
    return field.default is field.default_factory is MISSING


def _default(field: Any) -> object:  # noqa: ANN401 - as above
    return field.default if field.default is not MISSING else field.default_factory()


def _spelled(value: object, components: Components) -> str:
    """Return a default as it is shown: components by their name."""
    name = components.name_of(describe(value)["type"]) if is_dataclass(value) else None
    return name or json.dumps(value, default=str)


def _meanings(cls: type) -> dict[str, str]:
    """Return the texts below the fields of a dataclass and of those it extends, by field."""
    lineage = [one for one in reversed(cls.__mro__) if is_dataclass(one)]
    return {name: text for one in lineage for name, text in _own_meanings(one).items()}


def _own_meanings(cls: type) -> dict[str, str]:
    body = cast("ast.ClassDef", ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]).body
    meanings: dict[str, str] = {}
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            value = text.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                meanings[ast.unparse(field.target)] = " ".join(value.value.split())
    return meanings
