"""Named factories, one registry per kind of component."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from rlvla.core.interfaces import Correction, Proximal, Recording, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rlvla.core.interfaces import (
        Algorithm,
        Batching,
        Logger,
        Model,
        Runtime,
        Sharding,
    )

T = TypeVar("T")


class UnknownComponentError(LookupError):
    """A manifest names a component that no plugin registered."""


class DuplicateComponentError(ValueError):
    """Two plugins registered the same name."""


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A registered factory and the plugin that brought it."""

    factory: Callable[..., T] | str
    owner: str


class Registry(Generic[T]):
    """The factories of one kind, by name."""

    def __init__(self, kind: str, *, contract: type[Any] | None = None) -> None:
        self.kind = kind
        self.contract = contract
        """The type of the options that these components may be of others; None: of none."""
        self.owner = "unknown"
        self._entries: dict[str, Entry[T]] = {}

    def add(self, name: str, factory: Callable[..., T] | str) -> None:
        """Register `factory`, or the `"module:attribute"` to import when it is first used."""
        self.refuse_taken(name, self.owner)
        self._entries[name] = Entry(factory, self.owner)

    def __getitem__(self, name: str) -> Callable[..., T]:
        entry = self._entries.get(name)
        if entry is None:
            raise UnknownComponentError(self._explain(name))
        if isinstance(entry.factory, str):
            module, _, attribute = entry.factory.partition(":")
            return cast("Callable[..., T]", getattr(importlib.import_module(module), attribute))
        return entry.factory

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def owner_of(self, name: str) -> str:
        """Return the name of the plugin that registered `name`."""
        return self._entries[name].owner

    def owned_by(self, owner: str) -> list[str]:
        """Return the names that `owner` registered."""
        return [name for name in self if self._entries[name].owner == owner]

    def name_of(self, spelled: str) -> str | None:
        """Return the name of the factory `"module:qualname"`; None if it is not registered."""
        found = (name for name in self if _spelled(self._entries[name].factory) == spelled)
        return next(found, None)

    def merge(self, other: Registry[T]) -> None:
        """Take over all names of `other`; none of them may be taken."""
        self._entries |= other._entries

    def refuse_taken(self, name: str, owner: str) -> None:
        """Raise if `owner` may not register `name`."""
        if name in self._entries:
            raise DuplicateComponentError(
                f"{self.kind} {name!r} is registered twice: "
                f"by {self._entries[name].owner!r} and by {owner!r}"
            )

    def _explain(self, name: str) -> str:
        close = difflib.get_close_matches(name, self._entries, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        return f"no {self.kind} named {name!r}.{hint} Registered: {', '.join(self) or 'none'}."


def _spelled(factory: Callable[..., object] | str) -> str:
    if isinstance(factory, str):
        return factory
    return f"{factory.__module__}:{factory.__qualname__}"


def _simulators() -> Registry[Simulator]:
    return Registry("simulator", contract=Simulator)


def _models() -> Registry[Model]:
    return Registry("model")


def _algorithms() -> Registry[Algorithm]:
    return Registry("algorithm")


def _proximals() -> Registry[Proximal]:
    return Registry("proximal", contract=Proximal)


def _corrections() -> Registry[Correction]:
    return Registry("correction", contract=Correction)


def _recordings() -> Registry[Recording]:
    return Registry("recording", contract=Recording)


def _batching() -> Registry[Batching]:
    return Registry("batching")


def _sharding() -> Registry[Sharding]:
    return Registry("sharding")


def _loggers() -> Registry[Logger]:
    return Registry("logger")


def _runtimes() -> Registry[Runtime]:
    return Registry("runtime")


@dataclass(frozen=True)
class Components:
    """Every registry: the one argument of the `register` hook."""

    simulators: Registry[Simulator] = field(default_factory=_simulators)
    models: Registry[Model] = field(default_factory=_models)
    algorithms: Registry[Algorithm] = field(default_factory=_algorithms)
    proximals: Registry[Proximal] = field(default_factory=_proximals)
    corrections: Registry[Correction] = field(default_factory=_corrections)
    recordings: Registry[Recording] = field(default_factory=_recordings)
    batching: Registry[Batching] = field(default_factory=_batching)
    sharding: Registry[Sharding] = field(default_factory=_sharding)
    loggers: Registry[Logger] = field(default_factory=_loggers)
    runtimes: Registry[Runtime] = field(default_factory=_runtimes)

    def __iter__(self) -> Iterator[Registry[object]]:
        return iter([cast("Registry[object]", getattr(self, one.name)) for one in fields(self)])

    def nested(self, contract: type[Any]) -> Registry[object]:
        """Return the registry of the components that options of this type are."""
        for registry in self:
            if registry.contract is contract:
                return registry
        raise TypeError(f"no kind of component has the contract {contract.__qualname__}")

    def name_of(self, spelled: str) -> str | None:
        """Return the name of the factory `"module:qualname"` of any kind; None if it has none."""
        names = (registry.name_of(spelled) for registry in self)
        return next(filter(None, names), None)

    def owned_by(self, owner: str) -> Components:
        """Return empty registries whose names will be credited to `owner`."""
        scratch = Components()
        for registry in scratch:
            registry.owner = owner
        return scratch

    def merge(self, other: Components) -> None:
        """Take over all of `other`, or nothing and raise if a name is taken."""
        for mine, theirs in zip(self, other, strict=True):
            for name in theirs:
                mine.refuse_taken(name, theirs.owner_of(name))
        for mine, theirs in zip(self, other, strict=True):
            mine.merge(theirs)
