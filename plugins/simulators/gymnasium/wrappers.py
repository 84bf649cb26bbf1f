"""What is put around an environment, by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from rlvla.core.suggest import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import gymnasium

    Env = gymnasium.Env[Any, Any]


@dataclass(frozen=True)
class Wrapper:
    """One of them, with its arguments."""

    name: str
    """Of one of Gymnasium's own, or `module:Class`."""
    kwargs: dict[str, Any] = field(default_factory=dict[str, Any])
    """What it is made with beside the environment."""


def wrapped(env: Env, wrappers: Sequence[str | Wrapper]) -> Env:
    """Return the environment within all of these, the first innermost.

    Raises ValueError for what is not there, or does not fit.
    """
    for one in wrappers:
        env = _put(Wrapper(one) if isinstance(one, str) else one, env)
    return env


def _put(wrapper: Wrapper, env: Env) -> Env:
    import gymnasium

    name, found = wrapper.name, _found(wrapper.name)
    try:
        made: Env = found(env, **wrapper.kwargs)
    except (TypeError, ValueError, AssertionError, gymnasium.error.Error) as error:
        raise ValueError(f"wrappers: {name!r} does not fit: {error}") from error
    if not isinstance(cast("object", made), gymnasium.Env):
        raise ValueError(f"wrappers: {name!r} must make an environment, it made {made!r}")
    return made


def _found(name: str) -> Callable[..., Any]:
    module, _, attribute = name.rpartition(":")
    try:
        found: Any = import_module(module or "gymnasium.wrappers")
    except ImportError as error:
        raise ValueError(f"wrappers: {name!r} cannot be imported: {error}") from error
    if not hasattr(found, attribute):
        meant = suggest(attribute, getattr(found, "__all__", dir(found)))
        hint = f"; did you mean {meant!r}?" if meant else ""
        raise ValueError(f"wrappers: {found.__name__} has no {attribute!r}{hint}")
    put: Callable[..., Any] = getattr(found, attribute)
    return put
