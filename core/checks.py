"""Contradictions between settings that are each right alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from rlvla.core.component import OptionError, options_of
from rlvla.core.settings import published_by
from rlvla.core.standstill import seen_within

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rlvla.core.component import Place
    from rlvla.core.interfaces import Algorithm
    from rlvla.core.segment import Grouping
    from rlvla.core.settings import Manifest
    from rlvla.core.types import Field, SimulatorSpec


T = TypeVar("T")


def check(manifest: Manifest, *, trains: bool) -> None:
    """Raise OptionError at the first contradiction; what is only learned from may be gone unless
    the manifest `trains`."""
    simulator, plain = manifest.simulator, manifest.plain
    spec = _asked(("simulator",), simulator, lambda: simulator.spec)
    fields = _asked(("model",), manifest.model, lambda: manifest.model.decision_fields(spec))
    for i, phase in enumerate(manifest.phases):
        place = ("phases", i, "algorithm") if "phases" in plain else ("algorithm",)
        _check_demonstrations(manifest, phase.algorithm, place, trains=trains)
        _check_algorithm(manifest, phase.algorithm, place, (spec, fields))
    _check_protocol(manifest)
    _check_schedulers(manifest)
    if manifest.asynchrony.consistent_groups:
        _check_consistency(manifest)
    if manifest.deterministic:
        _check_deterministic(manifest)
    _check_loggers(plain["log"])


def _check_algorithm(
    manifest: Manifest,
    algorithm: Algorithm,
    place: Place,
    seen: tuple[SimulatorSpec, Mapping[str, Field]],
) -> None:
    if algorithm.grouping is None:
        _check_sizes(manifest, algorithm, place)
    else:
        _check_grouping(manifest, algorithm, algorithm.grouping, place)
    _asked(place, algorithm, lambda: algorithm.check(*seen))
    within = seen_within(algorithm, manifest.asynchrony.max_staleness)
    if within is not None and manifest.exact_versions:
        asks = "deterministic" if manifest.deterministic else "async.consistent_groups"
        raise OptionError(
            f"has each decision seen before the weights that made it are gone, which excludes "
            f"'{asks}: true', by which older weights go on to decide, unless async.max_staleness "
            f"is at most {within}",
            place,
            rivals=[tuple(asks.split("."))],
        )


def _check_demonstrations(
    manifest: Manifest, algorithm: Algorithm, place: Place, *, trains: bool
) -> None:
    shown = algorithm.demonstrations or algorithm.cotraining is not None
    recording = algorithm.recording
    if recording is None and shown and not hasattr(manifest.simulator, "expert"):
        kind = manifest.plain["simulator"]["type"]
        raise OptionError(
            f"needs demonstrations, but simulator {kind!r} has no expert", (*place, "type")
        )
    if recording is not None and not shown:
        raise OptionError(
            "nothing is learned from demonstrations here: it is for `cotraining`",
            (*place, "recording"),
        )
    if recording is not None and trains:
        _asked((*place, "recording"), recording, lambda: recording.check(manifest.simulator.spec))


def _check_protocol(manifest: Manifest) -> None:
    named = manifest.evaluating.protocol
    if named is None:
        return
    known = [one.name for one in published_by(manifest.simulator)]
    if named not in known:
        kind = manifest.plain["simulator"]["type"]
        raise OptionError(
            f"simulator {kind!r} as it is set up is not measured by {named!r}"
            + ("" if known else ", nor by any other published protocol"),
            ("eval", "protocol"),
            wrong=named if known else None,
            known=known,
            rivals=[("simulator",)],
        )
    _asked(("eval",), manifest.evaluating, lambda: manifest.protocol)


def _check_sizes(manifest: Manifest, algorithm: Algorithm, place: Place) -> None:
    batch, micro = algorithm.batch_size, algorithm.micro_batch_size
    if micro < 1 or batch % micro:
        raise OptionError(
            f"batch_size {batch} is not divisible by micro_batch_size {micro}",
            (*place, "batch_size"),
            rivals=[(*place, "micro_batch_size")],
        )
    segment = manifest.asynchrony.segment
    if not algorithm.demonstrations and batch % segment:
        raise OptionError(
            f"batch_size {batch} is not divisible by async.segment {segment}",
            (*place, "batch_size"),
            rivals=[("async", "segment")],
        )


def _check_grouping(
    manifest: Manifest, algorithm: Algorithm, grouping: Grouping, place: Place
) -> None:
    if grouping.size < 2 or algorithm.batch_size % grouping.size:
        raise OptionError(
            f"batch_size {algorithm.batch_size} must be whole groups of at least 2 episodes, "
            f"these have {grouping.size}",
            (*place, "batch_size"),
        )
    if grouping.selects and manifest.deterministic:
        raise OptionError(
            "drops groups and plays others in their place, which excludes 'deterministic: true': "
            "what is played next would depend on which were over first",
            place,
            rivals=[("deterministic",)],
        )


def _check_schedulers(manifest: Manifest) -> None:
    sharding, batching = ("schedulers", "sharding"), ("schedulers", "batching")
    try:
        assignment = _asked(sharding, manifest.sharding, lambda: manifest.assignment)
    except OptionError as error:
        error.rivals = (("simulator", "lanes"),)
        raise
    for served in assignment.served:
        groups = {lane: assignment.groups[lane] for lane in served}
        _asked(batching, manifest.batching, partial(manifest.batching.rule, groups))
    limit = options_of(manifest.batching).get("max_batch", max(map(len, assignment.served)))
    if manifest.padding and limit > max(manifest.padding):
        raise OptionError(
            f"the largest size must be at least {limit}, the largest batch of the generator",
            ("schedulers", "padding"),
            rivals=[(*batching, "max_batch")],
        )


def _check_consistency(manifest: Manifest) -> None:
    if all(phase.algorithm.grouping is None for phase in manifest.phases):
        names = " and ".join(phase.name for phase in manifest.phases)
        raise OptionError(
            f"needs an algorithm that compares episodes in groups, {names} has none",
            ("async", "consistent_groups"),
        )


def _check_deterministic(manifest: Manifest) -> None:
    """Refuse what would let the clock, or who comes first, decide."""
    rivals = [("deterministic",)]
    for i, phase in enumerate(manifest.phases):
        if phase.budget.minutes is not None:
            place = ("phases", i, "budget") if "phases" in manifest.plain else ("budget",)
            raise OptionError(
                "minutes cannot limit a deterministic run: how far it comes depends on its pace",
                (*place, "minutes"),
                rivals=rivals,
            )
    if manifest.padding:
        raise OptionError(
            "excludes 'deterministic: true', in which every forward pass has one row",
            ("schedulers", "padding"),
            rivals=rivals,
        )


def _check_loggers(loggers: Sequence[Mapping[str, Any]]) -> None:
    seen = set[str]()
    for i, logger in enumerate(loggers):
        if logger["type"] in seen:
            raise OptionError(f"a second logger of type {logger['type']!r}", ("log", i, "type"))
        seen.add(logger["type"])


def _asked(place: Place, component: object, question: Callable[[], T]) -> T:
    """Answer the question; a ValueError is at the option of the component that it begins with."""
    try:
        return question()
    except (ValueError, ArithmeticError) as error:
        first, *rest = str(error).partition(" ")[0].rstrip(":,").split(".")
        below = (first, *rest) if first in options_of(component) else ()
        raise OptionError(str(error), (*place, *below)) from error
