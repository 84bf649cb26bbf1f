"""The shape of a manifest: which keys there are and what each is read as.

A shape turns plain data into typed settings and raises OptionError at the first wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from rlvla.core.component import Key, OptionError, build, convert, nest, unknown_key
from rlvla.core.interpolation import Secret
from rlvla.core.placement import Placement
from rlvla.core.registry import UnknownComponentError
from rlvla.core.settings import Asynchrony, Budget, Checkpointing, Evaluating
from rlvla.core.wording import show

if TYPE_CHECKING:
    from rlvla.core.registry import Components, Registry

Shape: TypeAlias = Callable[[object], object]

DEFAULTS = """
seed: 0
async: {}
schedulers: {batching: {type: greedy}, sharding: {type: even}, padding: []}
placement: {}
runtime: {type: local}
eval: {}
checkpoint: {}
deterministic: false
trace: false
log: [{type: console}, {type: jsonl}, {type: tensorboard}]
output_dir: runs/${name}
"""
"""The manifest that every other one extends."""


@dataclass(frozen=True)
class Record:
    """The shape of a mapping with known keys."""

    keys: Mapping[str, Shape]
    required: Sequence[str] = ()

    def __call__(self, value: object) -> dict[str, Any]:
        """Read every key, in the order in which they are written."""
        if not isinstance(value, dict):
            raise OptionError(f"expected a mapping, got {show(value)}")
        done: dict[str, Any] = {}
        for key, item in cast("dict[str, object]", value).items():
            if key not in self.keys:
                raise unknown_key(key, self.keys)
            done[key] = below(key, item, self.keys[key])
        for key in self.required:
            if key not in done:
                raise OptionError(f"missing value {key!r}")
        return done


@dataclass(frozen=True)
class Each:
    """The shape of a list whose items have one shape."""

    item: Shape

    def __call__(self, value: object) -> list[Any]:
        """Read every item."""
        if not isinstance(value, list):
            raise OptionError(f"expected a list, got {show(value)}")
        return [below(i, one, self.item) for i, one in enumerate(cast("list[object]", value))]


@dataclass(frozen=True)
class Single:
    """The shape of a value of one type."""

    hint: object
    check: Callable[[Any], None] | None = None

    def __call__(self, value: object) -> object:
        """Convert the value, then check it."""
        if isinstance(value, Secret):
            raise OptionError("a secret can only be an option of a component")
        done = convert(value, self.hint)
        if self.check:
            self.check(done)
        return done


@dataclass(frozen=True)
class Component:
    """The shape of a component: its `type` and the fields of that dataclass, or `type` alone.

    A field whose type is the contract of a kind of component has the shape of such a component.
    """

    registry: Registry[Any]
    components: Components
    plugins: Mapping[str, Exception | None] = field(default_factory=dict[str, Exception | None])

    def __call__(self, value: object) -> object:
        """Construct the component."""
        if isinstance(value, str):
            value = {"type": value}
        if not isinstance(value, dict):
            raise OptionError(
                f"expected a {self.registry.kind} as {{type: NAME}}, got {show(value)}"
            )
        entries = dict(cast("dict[str, Any]", value))
        cls = self._class(entries)
        entries.pop("type")
        try:
            return build(cls, nest(cls, entries, self._nested))
        except OptionError as error:
            if error.place == (error.wrong,):
                error.known = ("type", *error.known)
            raise

    def _nested(self, contract: type[Any], value: object) -> object:
        return Component(self.components.nested(contract), self.components, self.plugins)(value)

    def _class(self, entries: Mapping[str, object]) -> type[Any]:
        kind, name = self.registry.kind, entries.get("type")
        if "type" not in entries:
            raise OptionError(f"missing value 'type', expected {', '.join(self.registry)}")
        if not isinstance(name, str):
            raise OptionError(f"expected the name of a {kind}, got {show(name)}", ("type",))
        try:
            return cast("type[Any]", self.registry[name])
        except UnknownComponentError:
            raise self._unknown(name) from None
        except Exception as error:  # noqa: BLE001 - importing a plugin's code may raise anything
            why = f"the {kind} {name!r} of plugin {self.registry.owner_of(name)!r} cannot be used"
            raise OptionError(f"{why}: {error}", ("type",)) from None

    def _unknown(self, name: str) -> OptionError:
        broken = "".join(
            f" (plugin {plugin!r} failed to load: {error})"
            for plugin, error in self.plugins.items()
            if error is not None
        )
        message = f"no {self.registry.kind} named {show(name)}{broken}"
        return OptionError(message, ("type",), wrong=name, known=[*self.registry])


@dataclass(frozen=True)
class Placed:
    """The shape of a simulator: a component that may name the `python` which runs it."""

    component: Component

    def __call__(self, value: object) -> object:
        """Construct the simulator, and check that `python` is a path, without looking there."""
        if not isinstance(value, dict):
            return self.component(value)
        entries = dict(cast("dict[str, Any]", value))
        if "python" in entries:
            below("python", entries.pop("python"), Single(Path))
        return self.component(entries)


def below(key: Key, value: object, shape: Shape) -> object:
    """Read the item of a container at `key`; an error names the place."""
    try:
        return shape(value)
    except OptionError as error:
        raise error.below(key) from None


def grammar(components: Components, plugins: Mapping[str, Exception | None]) -> Record:
    """Return the shape of a manifest, given what is installed."""

    def component(registry: Registry[Any]) -> Component:
        return Component(registry, components, plugins)

    algorithm, budget = component(components.algorithms), Single(Budget)
    schedulers: dict[str, Shape] = {
        "batching": component(components.batching),
        "sharding": component(components.sharding),
        "padding": Single(tuple[int, ...], _padding),
    }
    keys: dict[str, Shape] = {
        "rlvla": Single(Literal[1]),
        "name": Single(str, _name),
        "seed": Single(int, _seed),
        "environment": Single(list[str]),
        "plugins": Single(list[str], _Loaded(components, plugins)),
        "simulator": Placed(component(components.simulators)),
        "model": component(components.models),
        "algorithm": algorithm,
        "budget": budget,
        "phases": Each(Record({"algorithm": algorithm, "budget": budget}, ["algorithm", "budget"])),
        "async": Single(Asynchrony),
        "schedulers": Record(schedulers, [*schedulers]),
        "placement": Single(Placement),
        "runtime": component(components.runtimes),
        "eval": Single(Evaluating),
        "checkpoint": Single(Checkpointing),
        "deterministic": Single(bool),
        "trace": Single(bool),
        "log": Each(component(components.loggers)),
        "output_dir": Single(Path),
    }
    optional = {"environment", "plugins", "algorithm", "budget", "phases"}
    return Record(keys, [key for key in keys if key not in optional])


@dataclass(frozen=True)
class _Loaded:
    """Checks that the plugins which a manifest requires are there."""

    components: Components
    plugins: Mapping[str, Exception | None]

    def __call__(self, names: Sequence[str]) -> None:
        owners = {registry.owner_of(name) for registry in self.components for name in registry}
        for i, name in enumerate(names):
            error = self.plugins.get(name)
            if error is not None:
                raise OptionError(f"plugin {name!r} failed to load: {error}", (i,))
            if name not in self.plugins and name not in owners:
                known = sorted(owners | {*self.plugins})
                raise OptionError(f"no plugin named {name!r}", (i,), wrong=name, known=known)


def _name(name: str) -> None:
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise OptionError(f"expected letters, digits and any of . _ -, got {show(name)}")


def _padding(sizes: Sequence[int]) -> None:
    if any(size < 1 for size in sizes):
        raise OptionError(f"sizes must be at least 1, got {[*sizes]}")


def _seed(seed: int) -> None:
    if not 0 <= seed < 1 << 63:
        raise OptionError(f"must be at least 0 and below 2 ** 63, got {show(seed)}")
