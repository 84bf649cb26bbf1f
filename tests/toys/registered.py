"""Every simulator that rlvla registers, in every set-up by which success on it is measured."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast, get_args, get_origin

from rlvla.core.component import OptionError, build, hints
from rlvla.core.plugins import Plugins
from rlvla.core.settings import published_by
from rlvla.plugins import BUILTIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rlvla.core.interfaces import Simulator
    from rlvla.core.protocol import EvaluationProtocol
    from rlvla.core.registry import Registry

OPTIONS: Mapping[str, Sequence[Mapping[str, Any]]] = MappingProxyType(
    {
        "envpool": [{"env": "Pendulum-v1"}],
        "gymnasium": [{"env": "CartPole-v1"}],
        "metaworld": [{"task": suite} for suite in ("reach-v3", "mt10", "mt50", "ml10", "ml45")],
        "robocasa": [{"task": "CloseFridge"}],
    }
)
"""Those of simulators that need some, or whose suites are no type of their own."""
APART = frozenset({"robocasa"})
"""Simulators whose package is on no index, so that they pin nothing and users install it."""


@dataclass(frozen=True)
class SetUp:
    """A simulator by name and options; made anew whenever it is asked for."""

    name: str
    options: Mapping[str, Any]

    @property
    def simulator(self) -> Simulator:
        return cast("Simulator", build(_class(self.name), self.options))

    def __str__(self) -> str:
        words = [self.name, *(f"{key}={value}" for key, value in self.options.items())]
        return " ".join(words)


def usual() -> list[SetUp]:
    """Return each simulator once, as it is set up where little is said."""
    return [SetUp(name, OPTIONS.get(name, [{}])[0]) for name in _simulators()]


def protocols() -> dict[str, EvaluationProtocol]:
    """Return every published protocol by its name."""
    found: dict[str, EvaluationProtocol] = {}
    for set_up in _all():
        with suppress(OptionError):  # options that contradict each other
            found |= {one.name: one for one in published_by(set_up.simulator)}
    return found


def _all() -> Iterator[SetUp]:
    """Yield the known set-ups, and for each option that is one of some words, each of these."""
    for name in _simulators():
        for options in OPTIONS.get(name, [{}]):
            yield SetUp(name, options)
            for key, hint in hints(_class(name)).items():
                if get_origin(hint) is Literal:
                    yield from (SetUp(name, {**options, key: one}) for one in get_args(hint))


def _class(name: str) -> type[Any]:
    return cast("type[Any]", _simulators()[name])


@cache
def _simulators() -> Registry[Simulator]:
    plugins = Plugins()
    plugins.load_builtin(BUILTIN)
    return plugins.components.simulators
