"""What all virtual workers of a run have in common."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlvla.core.runtime.virtual.link import VirtualLink
from rlvla.core.runtime.virtual.resources import Units

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlvla.core.latency import Latencies
    from rlvla.core.runtime.link import Listener
    from rlvla.core.runtime.virtual.death import Death
    from rlvla.core.runtime.virtual.faults import Faults
    from rlvla.core.runtime.virtual.memory import Memory
    from rlvla.core.runtime.virtual.work import Behaviour


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """How long episodes are and how they end."""

    max_steps: int
    """Actions after which an episode is truncated."""
    chunk: int
    """Actions of a decision."""
    ending: float = 0.0
    """Probability that a decision ends the episode, with success: lengths are geometric."""


@dataclass(kw_only=True)
class World:
    """Made inside a running loop; it sees everything and is open to who wants to look."""

    latencies: Latencies
    faults: Faults
    episodes: Episodes
    seed: int
    memories: list[Memory]
    """Of each cell."""
    batch_size: int
    micro_batch_size: int
    """Decisions per forward and backward pass of one rank of the trainer."""
    epochs: int
    minibatches: int
    demonstrated: int = 0
    """Decisions of demonstrations in each optimizer step, beside those of the batch."""
    seen_within: int = 0
    """Versions that have passed when decisions are seen that wait for a later batch."""
    units: Units = field(default_factory=Units)
    links: list[VirtualLink] = field(default_factory=list[VirtualLink])
    """Living workers; one that is recycled and its successor have the same name."""
    generators: dict[str, VirtualLink] = field(default_factory=dict[str, VirtualLink])
    """Those of them that receive weights."""
    deaths: list[Death] = field(default_factory=list["Death"])
    """In order; those that ended by themselves when the run was over included."""
    busy: dict[str, float] = field(default_factory=dict[str, float])
    """Seconds of finished work of workers that are no more, by role."""
    size: Counter[str] = field(default_factory=Counter[str])
    """Ranks that were started, by role; a successor of a dead one not counted."""
    staleness: Counter[int] = field(default_factory=Counter[int])
    """Decisions trained on, by the trainer's version less theirs."""
    batches: int = 0
    """That generators began."""
    requests: int = 0
    """In these batches."""
    _births: Counter[str] = field(default_factory=Counter[str])

    def link(
        self, name: str, listener: Listener, make: Callable[[random.Random], Behaviour]
    ) -> VirtualLink:
        """Start a worker; its faults and latencies depend on the seed, its name and its life."""
        self._births[name] += 1
        dice = random.Random(f"{self.seed}/{name}/{self._births[name]}")
        return VirtualLink(name, listener, self, make(dice), dice)

    def fate(self, role: str, method: str, dice: random.Random) -> str:
        """Return what goes wrong with a call; nothing does with the building of a worker."""
        if self.faults.none or method == "build":
            return ""
        return self.faults.draw(dice, role, self.units.loop.time())

    def joined(self, link: VirtualLink, role: str) -> None:
        """Note that a worker lives."""
        self.links.append(link)
        if self._births[link.name] == 1:
            self.size[role] += len(link.ranks)
        if role == "generator":
            self.generators[link.name] = link

    def left(self, link: VirtualLink, role: str, death: Death) -> None:
        """Note that a worker is no more."""
        self.deaths.append(death)
        self.busy[role] = self.busy.get(role, 0.0) + link.busy
        self.links.remove(link)
        self.generators.pop(link.name, None)

    def work(self, role: str) -> float:
        """Return the seconds of finished work of all ranks of a role until now."""
        living = (link.busy for link in self.links if link.role == role)
        return self.busy.get(role, 0.0) + sum(living)
