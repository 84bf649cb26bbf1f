"""One seed, with or without a planted defect: did anything go wrong that must not?"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest
from simulation.fairness import Watched
from simulation.memory import Expected, HeldSlots, StrictMemory
from simulation.scenario import Scenario
from simulation.watch import Watch

from rlvla.core.errors import PluginError, TrainingError
from rlvla.core.runtime.virtual.loop import run_virtually
from rlvla.core.runtime.virtual.simulation import ENDLESS, Simulation
from rlvla.core.settings import Budget
from rlvla.core.standstill import seen_within

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from rlvla.core.interfaces import Batching
    from rlvla.core.progress import Progress
    from rlvla.core.settings import Manifest

T = TypeVar("T")

NAMED = (
    "in a row ended on the same batch",
    "`rlvla resume` continues",
    "in a row were lost",
    "nothing to learn from",
)
"""Errors in which a run may end: enough went wrong for them."""


@dataclass(frozen=True)
class Defect:
    """Something in the core that is wrong."""

    name: str
    planted: Mapping[str, object]
    """What stands there instead, by `module:attribute` under `rlvla.core`. An empty name means the
    batching scheduler: a function of that of the scenario."""


@dataclass(kw_only=True)
class WatchedSimulation(Simulation):
    """A simulation that is looked at after each update."""

    watch: Watch

    def row(self, row: Mapping[str, float], progress: Progress) -> None:
        """Check, then see `Simulation.row`."""
        self.watch.update(self)
        super().row(row, progress)


def trial(seed: int, defect: Defect | None = None) -> str:
    """Run the scenario of a seed; return what was violated, or nothing."""
    scenario = Scenario.of(seed)
    watch = Watch(scenario)
    manifest = scenario.manifest
    batching = manifest.batching
    if defect is not None and "" in defect.planted:
        batching = cast("Callable[[Batching], Batching]", defect.planted[""])(batching)
    simulation = WatchedSimulation(
        manifest=replace(
            manifest, batching=Watched(batching, manifest.batching, _delayed(manifest))
        ),
        runtime=scenario.runtime,
        updates=scenario.updates if scenario.stopped else ENDLESS.updates or 0,
        watch=watch,
    )
    with _wired(watch, defect), _uncollected():
        try:
            run_virtually(simulation.run(), watch=partial(watch.look, simulation))
            watch.end()
        except Exception as error:  # noqa: BLE001 - whatever it is, the seed shall be told
            return _violation(error)
    return ""


def _seen_within(manifest: Manifest) -> int | None:
    return seen_within(manifest.phases[0].algorithm, manifest.asynchrony.max_staleness)


def _delayed(manifest: Manifest) -> bool:
    return manifest.assignment.stealing or _seen_within(manifest) is not None


def told(seed: int, violation: str) -> str:
    """Return what a developer needs to see it again."""
    return f"{violation}\nreplay: python -m pytest tests/simulation --seed {seed}"


def _violation(error: BaseException) -> str:
    """Return what an error says, unless a run may end in it."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        found = [_violation(one) for one in group.exceptions]
        return next((one for one in found if one), "")
    text = str(error)
    if isinstance(error, TrainingError | PluginError) and any(one in text for one in NAMED):
        return ""
    return f"{type(error).__name__}: {text}"


@contextmanager
def _uncollected() -> Generator[None]:
    """Leave cyclic garbage until the end: the world is small."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _wired(watch: Watch, defect: Defect | None) -> Generator[None]:
    """Plant the defect, and let the watch see what the pipeline makes for itself."""
    manifest, runtime = watch.scenario.manifest, watch.scenario.runtime
    expected = Expected(
        segment=manifest.asynchrony.segment,
        endless=runtime.ending == 0,
        ordered=manifest.deterministic,
        groups=watch.groups,
        seen_within=_seen_within(manifest),
    )
    strict = partial(StrictMemory, expected=expected)
    planted: Mapping[str, object] = defect.planted if defect else {}
    with pytest.MonkeyPatch.context() as patch:
        for target, wrong in planted.items():
            if target:
                patch.setattr(*_place(target), wrong)
        for target, into in _seen(watch).items():
            place = _place(target)
            patch.setattr(*place, _noting(getattr(*place), into))
        if not watch.scenario.stopped:
            budget = Budget(updates=watch.scenario.updates)
            patch.setattr(*_place("runtime.virtual.simulation:ENDLESS"), budget)
        place = _place("runtime.virtual.runtime:Memory")
        patch.setattr(*place, _noting(strict, watch.memories))
        place = _place("crew:FreeSlots")
        made = getattr(*place)

        def held(count: int, *, cell: int) -> HeldSlots:
            return HeldSlots(made(count, cell=cell), watch.memories[cell])

        patch.setattr(*place, held)
        yield


def _seen(watch: Watch) -> Mapping[str, list[Any]]:
    return {
        "pipeline:Ledger": watch.ledgers,
        "schedule:Admission": watch.admissions,
        "schedule:Gate": watch.admissions,
        "schedule:Streamer": watch.streamers,
        "schedule:OrderedStreamer": watch.streamers,
        "crew:Batcher": watch.batchers,
        "crew:Dispatcher": watch.dispatchers,
    }


def _noting(make: Callable[..., T], into: list[T]) -> Callable[..., T]:
    """Return `make`, which notes what it makes."""

    def noting(*values: object, **named: object) -> T:
        into.append(make(*values, **named))
        return into[-1]

    return noting


def _place(target: str) -> tuple[Any, str]:
    """Return the module and the name in it that a target means."""
    module, _, name = target.partition(":")
    return import_module(f"rlvla.core.{module}"), name


def caught(defect: Defect, seeds: Sequence[int]) -> tuple[int, str] | None:
    """Return the first seed that catches a defect, and how."""
    for seed in seeds:
        if violation := trial(seed, defect):
            return seed, violation
    return None
