"""Component options: plain data to a dataclass and back, checked against its type hints."""

from __future__ import annotations

import importlib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, Union, cast, get_args, get_origin

from rlvla.core.wording import is_contract, name_of, show

T = TypeVar("T")

Key: TypeAlias = "str | int"
Place: TypeAlias = "tuple[Key, ...]"
"""Where an option is: names of mappings and indices of lists, outermost first."""


class OptionError(ValueError):
    """An option that is wrong, at a place below what was read."""

    def __init__(
        self,
        message: str,
        place: Place = (),
        *,
        wrong: str | None = None,
        known: Sequence[str] = (),
        rivals: Sequence[Place] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.wrong = wrong
        """The name that is not one of `known`, if that is what is wrong."""
        self.known = tuple(known)
        self.rivals = tuple(rivals)
        """Other places that are as much to blame."""

    def below(self, key: Key) -> OptionError:
        """Return the error, now at a place below the container that holds `key`."""
        self.place = (key, *self.place)
        return self


def describe(component: object) -> dict[str, Any]:
    """Return a component as JSON-able data: `{"type": "module:qualname", **options}`."""
    cls = type(component)
    return {"type": f"{cls.__module__}:{cls.__qualname__}"} | options_of(component)


def construct(plain: Mapping[str, Any]) -> object:
    """Build what `describe` described; for data of the parent process, never for user text."""
    module, _, qualname = str(plain["type"]).partition(":")
    target: Any = importlib.import_module(module)
    for part in qualname.split("."):
        target = getattr(target, part)
    options = {key: value for key, value in plain.items() if key != "type"}
    return build(target, nest(target, options, lambda _, value: construct(value)))


def options_of(component: object) -> dict[str, Any]:
    """Return the options of a dataclass instance as plain data."""
    if not is_dataclass(component) or isinstance(component, type):
        raise TypeError(f"{component!r} is not a dataclass instance and has no options")
    nested = contracts_of(type(component))
    values = {one.name: getattr(component, one.name) for one in fields(component) if one.init}
    return {
        name: describe(value) if name in nested and value is not None else _plain(value)
        for name, value in values.items()
    }


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return options_of(value)
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        return {str(key): _plain(item) for key, item in entries.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    return str(value) if isinstance(value, Path) else value


def build(cls: type[T], plain: Mapping[str, Any]) -> T:
    """Construct dataclass `cls` from plain options; raise OptionError for the first wrong one."""
    options = option_fields(cls)
    kinds, values = hints(cls), dict[str, Any]()
    for name, item in plain.items():
        if name not in options:
            raise unknown_key(name, options)
        values[name] = convert_at(name, item, kinds[name])
    for name, option in options.items():
        if name not in plain and option.default is option.default_factory is MISSING:
            raise OptionError(f"missing value {name!r}, expected {name_of(kinds[name])}")
    try:
        return cls(**values)
    except (ValueError, ArithmeticError) as error:
        raise out_of_range(error, options) from error


def nest(
    cls: type, plain: Mapping[str, Any], make: Callable[[type[Any], Any], object]
) -> dict[str, Any]:
    """Return plain options of which those that are components are made: `make(contract, value)`.

    Such an option has the contract, a `Protocol`, as its type; null stands for no component.
    """
    contracts = contracts_of(cls)
    made = dict(plain)
    for name in contracts.keys() & plain.keys():
        if plain[name] is not None:
            try:
                made[name] = make(contracts[name], plain[name])
            except OptionError as error:
                raise error.below(name) from None
    return made


def contracts_of(cls: type) -> dict[str, type[Any]]:
    """Return the contract of each option of dataclass `cls` that is itself a component."""
    kinds = hints(cls)
    found = {name: _contract(kinds[name]) for name in option_fields(cls)}
    return {name: contract for name, contract in found.items() if contract is not None}


def _contract(hint: object) -> type[Any] | None:
    choices = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return next((cast("type[Any]", one) for one in choices if is_contract(one)), None)


def unknown_key(name: str, known: Mapping[str, object]) -> OptionError:
    """Return the error of a mapping that holds the key `name`, but should only the `known`."""
    return OptionError(f"unknown key {show(name)}", (name,), wrong=name, known=[*known])


def option_fields(cls: type) -> dict[str, Field[Any]]:
    """Return the fields of dataclass `cls` that its constructor takes, by name."""
    if not is_dataclass(cls):
        raise TypeError(f"{cls!r} is not a dataclass and takes no options")
    return {one.name: one for one in fields(cls) if one.init}


def hints(cls: type) -> dict[str, Any]:
    """Return the type hints of dataclass `cls`; raise TypeError if one cannot be resolved."""
    try:
        return typing.get_type_hints(cls)
    except NameError as error:
        raise TypeError(
            f"the types of {cls.__qualname__}'s options must be imported where it is defined, "
            f"also at run time: {error}"
        ) from error


def out_of_range(error: Exception, known: Mapping[str, object]) -> OptionError:
    """Return `error` at the option that its message begins with, if it begins with one."""
    first = str(error).partition(" ")[0].rstrip(":,")
    names = first.split(".")
    place = tuple(names) if names[0] in known else ()
    return OptionError(str(error), place)


def convert(value: object, hint: object) -> object:
    """Return `value` as the type `hint` says; raise OptionError if it is not one."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(value, get_args(hint))
    if origin is Literal:
        return _convert_literal(value, get_args(hint))
    if origin in (list, tuple, Sequence):
        return _convert_items(value, hint)
    if origin in (dict, Mapping):
        return _convert_entries(value, hint)
    return _convert_single(value, hint)


def convert_at(key: Key, value: object, hint: object) -> object:
    """Convert the item of a container at `key`; an error names the place."""
    try:
        return convert(value, hint)
    except OptionError as error:
        raise error.below(key) from None


def _convert_union(value: object, choices: tuple[object, ...]) -> object:
    for choice in choices:
        if choice is type(value) or (choice is type(None) and value is None):
            return value
    error: OptionError | None = None
    for choice in choices:
        try:
            return convert(value, choice)
        except OptionError as raised:
            if error is None or len(raised.place) > len(error.place):
                error = raised
    if error is not None and (error.place or error.__cause__):
        raise error
    mismatch = _mismatch(" or ".join(name_of(choice) for choice in choices), value)
    if error is not None:
        mismatch.wrong, mismatch.known = error.wrong, error.known
    raise mismatch


def _convert_literal(value: object, choices: tuple[object, ...]) -> object:
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return value
    raise OptionError(
        f"expected {' or '.join(map(show, choices))}, got {show(value)}",
        wrong=value if isinstance(value, str) else None,
        known=[str(choice) for choice in choices],
    )


def _convert_items(value: object, hint: object) -> object:
    origin, arguments = get_origin(hint), get_args(hint)
    if not isinstance(value, list | tuple):
        raise _mismatch("a list", value)
    items = cast("Sequence[object]", value)
    if origin is tuple and arguments[-1] is not Ellipsis:
        if len(items) != len(arguments):
            raise OptionError(f"expected a list of {len(arguments)}, got {len(items)}")
        kinds = arguments
    else:
        kinds = (arguments[0],) * len(items)
    done = [convert_at(i, item, kinds[i]) for i, item in enumerate(items)]
    return done if origin is list else tuple(done)


def _convert_entries(value: object, hint: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _mismatch("a mapping", value)
    entries = cast("Mapping[str, object]", value)
    return {key: convert_at(key, item, get_args(hint)[1]) for key, item in entries.items()}


def _convert_single(value: object, hint: object) -> object:
    if hint is Any or hint is object or (hint in (None, type(None)) and value is None):
        return value
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise _mismatch("a mapping", value)
        return build(cast("type[Any]", hint), cast("Mapping[str, Any]", value))
    if is_contract(hint) and is_dataclass(value):
        return value
    if hint is float and type(value) is int:
        return _float(value)
    if hint is Path and type(value) is str:
        return Path(value)
    if type(value) is not hint and not (hint is str and isinstance(value, str)):
        raise _mismatch(name_of(hint), value)
    return value


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise OptionError("this number is too large") from error


def _mismatch(expected: str, value: object) -> OptionError:
    return OptionError(f"expected {expected}, got {show(value)}")
