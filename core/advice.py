"""What to say to whom: which setting to change for each kind of bottleneck and of waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rlvla.core.usage import Group, Usage

SATURATED = 0.9
"""Busy share from which a group is the bottleneck: whatever else is tuned gains at most 11 %."""
NOTABLE = 0.1
"""Share of waiting worth a word: to remove it would gain about as much as SATURATED leaves."""
MOST = 0.5
"""Share of a batch's time beyond which what does not grow with its size is the larger part."""

RESOURCES = ("simulators", "generators", "trainer", "publication")
"""Groups that can bound the throughput."""
ONE = {"simulators": "simulator", "generators": "generator"}
"""What one of several is called."""


def resources(usage: Usage) -> list[Group]:
    """Return the groups that can bound the throughput."""
    return [group for name, group in usage.groups.items() if name in RESOURCES]


def busiest(groups: Sequence[Group]) -> Group:
    """Return the group that waits least."""
    return max(groups, key=lambda group: group.busy)


def named(group: Group) -> str:
    """Return `the trainer is`, `the 4 simulators are`."""
    if group.name not in ONE:
        return f"the {group.name} is"
    one = group.size == 1
    return f"the {ONE[group.name]} is" if one else f"the {group.size} {group.name} are"


def percent(share: float) -> str:
    """Return a share from 0 to 1 as text."""
    return f"{share:.0%}".replace("%", " %")


def _waited(usage: Usage, group: str, wait: str) -> float:
    return usage.groups[group].waits.get(wait, 0.0) if group in usage.groups else 0.0


def _more_simulators(usage: Usage) -> str:
    lanes = usage.groups["lanes"]
    return (
        f"The {lanes.size} lanes step, or queue for it, {percent(lanes.busy)} of the time: "
        "use more simulator workers (schedulers.sharding) on more cores or GPUs "
        "(placement.simulator), or a faster simulator."
    )


def _more_generators(usage: Usage) -> str:
    waited = _waited(usage, "lanes", "decisions")
    sizes, fixed = usage.batch_sizes, usage.fixed_share
    told = f"Lanes wait {percent(waited)} of the time for decisions"
    if sizes:
        told += f", made in batches of {_mean(sizes):.3g} on average"
    if fixed is None:
        return f"{told}: use more generators (schedulers.sharding) or a larger max_batch."
    if fixed >= MOST:
        return (
            f"{told}, of whose time {percent(fixed)} does not grow with the size: let batches "
            "become larger (max_batch, simulator.lanes), or use more generators "
            "(schedulers.sharding)."
        )
    return (
        f"{told}, whose time grows with the size ({percent(fixed)} of it does not), so larger ones "
        "gain little: use more generators (schedulers.sharding) or a faster one."
    )


def _more_training(usage: Usage) -> str:
    waited = _waited(usage, "lanes", "admission")
    return (
        f"Lanes wait {percent(waited)} of the time for admission, that is for the trainer: use a "
        "larger algorithm.micro_batch_size, fewer epochs, more or faster devices "
        "(placement.trainer); more lanes or generators gain nothing."
    )


def _faster_publication(usage: Usage) -> str:
    waited = _waited(usage, "lanes", "admission")
    return (
        f"Lanes wait {percent(waited)} of the time for admission, which waits for new weights: "
        "publish less often (a larger algorithm.batch_size) or less (train fewer parameters)."
    )


SATURATION: dict[str, Callable[[Usage], str]] = {
    "simulators": _more_simulators,
    "generators": _more_generators,
    "trainer": _more_training,
    "publication": _faster_publication,
}
"""What to say to a saturated group."""


def _uneven(usage: Usage) -> str:
    for group in resources(usage):
        if group.peak >= SATURATED and group.peak - group.busy >= NOTABLE:
            return (
                f"One of the {group.size} {group.name} is busy {percent(group.peak)}, all together "
                f"{percent(group.busy)}: share the lanes out more evenly (schedulers.sharding)."
            )
    return ""


def _taking_turns(usage: Usage) -> str:
    starved = _waited(usage, "trainer", "segments")
    held = _waited(usage, "lanes", "admission")
    if min(starved, held) < NOTABLE:
        return ""
    return (
        f"Rollout and training take turns: the trainer waits {percent(starved)} of the time for "
        f"segments, the lanes {percent(held)} for admission: raise async.max_staleness."
    )


def _interrupted(usage: Usage) -> str:
    rest = usage.groups["trainer"].rest if "trainer" in usage.groups else 0.0
    if rest < NOTABLE:
        return ""
    return (
        f"The trainer neither trains nor waits for segments {percent(rest)} of the time: "
        "it saves or logs; raise checkpoint.every."
    )


def _patient(usage: Usage) -> str:
    filling = _waited(usage, "generators", "the batch")
    if filling < NOTABLE:
        return ""
    return (
        f"Generators stand still {percent(filling)} of the time while requests wait for the batch "
        "to fill: wait less (a smaller max_wait_ms or max_batch, async.rollout: true, or another "
        "schedulers.batching)."
    )


RULES: tuple[Callable[[Usage], str], ...] = (_uneven, _taking_turns, _interrupted, _patient)
"""What keeps a run waiting in which nothing is saturated, each empty if it does not."""


def _mean(counts: Mapping[int, int]) -> float:
    return sum(value * count for value, count in counts.items()) / sum(counts.values())
