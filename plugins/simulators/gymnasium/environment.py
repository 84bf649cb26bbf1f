"""One environment, made as the options say."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import gymnasium

from rlvla.plugins.simulators.gymnasium.wrappers import wrapped

if TYPE_CHECKING:
    from rlvla.plugins.simulators.gymnasium import Gymnasium

    Env = gymnasium.Env[Any, Any]


def make(options: Gymnasium) -> Env:
    """Return a new environment within its wrappers; raise ValueError that says what is unfit."""
    arguments = dict[str, Any]()
    if options.max_steps is not None:
        arguments["max_episode_steps"] = options.max_steps
    if options.pixels:
        arguments["render_mode"] = "rgb_array"
    made = wrapped(_made(options, arguments), options.wrappers)
    modes = made.metadata.get("render_modes", [])
    if options.pixels and "rgb_array" not in modes:
        made.close()
        raise ValueError(f"pixels: env {options.env!r} has no render mode rgb_array, only {modes}")
    return made


def limit_of(env: Env, name: str) -> int:
    """Return the actions after which an environment cuts an episode; raise ValueError if none."""
    limit = None if env.spec is None else env.spec.max_episode_steps
    if limit is None:
        raise ValueError(f"max_steps is needed: env {name!r} has no limit of its own")
    return limit


def _made(options: Gymnasium, arguments: dict[str, Any]) -> Env:
    name = options.env
    try:
        _import_namespace(name)
        return gymnasium.make(name, disable_env_checker=True, **arguments, **options.kwargs)
    except ImportError as error:
        raise ValueError(
            f"env {name!r} cannot be made, install its package here or name by `python:` an "
            f"environment that has it: {error}"
        ) from error
    except gymnasium.error.Error as error:
        raise ValueError(f"env {name!r} cannot be made: {error}") from error
    except (TypeError, ValueError, NotImplementedError) as error:  # of their constructors
        raise ValueError(f"kwargs do not fit env {name!r}: {error}") from error


def _import_namespace(name: str) -> None:
    """Import the package that registers `namespace/Name-v0`, if it is called like the namespace."""
    namespace, _, rest = name.partition("/")
    if rest and namespace.isidentifier() and find_spec(namespace) is not None:
        import_module(namespace)
