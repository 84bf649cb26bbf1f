"""The invariants of a run, looked at between any two events.

| invariant                                          | looked at                                   |
| -------------------------------------------------- | ------------------------------------------- |
| every decision is accounted for, once              | every event, against the rows that are held |
| batches are exact                                  | every update                                |
| staleness is at most η when trained on             | every event                                 |
| nothing that was admitted becomes too old          | every event                                 |
| versions rise, and are announced when there        | every event, and by the memory              |
| rows and weights are whole, of whom they should be | by the memory, whenever it is read          |
| queues are bounded, slots are not leaked           | every event; rows one by one every update   |
| no worker is killed that is at work                | every death                                 |
| decisions are seen before their weights are gone   | by the memory, if a proximal policy asks    |
| no lane is forgotten                               | every update                                |
| who is recycled loses nothing and ends in the end  | every event                                 |
| groups are complete, of one start, of one version  | every update; episodes whenever one is read |
|     if that was asked for, their episodes whole    |                                             |
| it goes on                                         | the loop: no deadlock, and an end of turns  |
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from simulation.grouping import GroupWatch
from simulation.scenario import DEADLINE

from rlvla.core.errors import LossReason
from rlvla.core.runtime.virtual.memory import ViolationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulation.memory import StrictMemory
    from simulation.scenario import Scenario

    from rlvla.core.admission import Admission
    from rlvla.core.batcher import Batcher
    from rlvla.core.dispatcher import Dispatcher
    from rlvla.core.ledger import Ledger
    from rlvla.core.runtime.virtual.memory import Row
    from rlvla.core.runtime.virtual.simulation import Simulation
    from rlvla.core.streamer import Streamer

TURNS = 30_000
"""Turns of the loop after which a run does not go on; ten times what the longest take."""


def check(condition: object, what: str) -> None:
    """Raise ViolationError unless the condition holds."""
    if not condition:
        raise ViolationError(what)


@dataclass
class Watch:
    """What it watches is put into it as it is made."""

    scenario: Scenario
    ledgers: list[Ledger] = field(default_factory=list["Ledger"])
    admissions: list[Admission] = field(default_factory=list["Admission"])
    streamers: list[Streamer] = field(default_factory=list["Streamer"])
    batchers: list[Batcher] = field(default_factory=list["Batcher"])
    dispatchers: list[Dispatcher] = field(default_factory=list["Dispatcher"])
    memories: list[StrictMemory] = field(default_factory=list["StrictMemory"])
    groups: GroupWatch | None = None
    turns: int = 0
    _version: int = -1
    _deaths: int = 0

    def __post_init__(self) -> None:
        manifest = self.scenario.manifest
        algorithm = manifest.phases[0].algorithm
        self._batch = algorithm.batch_size
        self._unit = manifest.asynchrony.segment
        if algorithm.grouping is not None:
            self.groups = GroupWatch(manifest, algorithm.grouping)
            self._unit = 1 if manifest.deterministic else algorithm.grouping.size
        self._eta = manifest.asynchrony.max_staleness
        self._training = manifest.simulator.lanes
        self._lanes = self._training + manifest.evaluating.lanes

    def look(self, simulation: Simulation) -> None:
        """Check what must hold after every event."""
        self.turns += 1
        check(self.turns < TURNS, f"no end after {TURNS} turns")
        if not self.streamers or simulation.pipeline.stopped or self.ledgers[0].dropped["unused"]:
            return
        self._accounts(simulation)
        self._versions()
        self._bounds(simulation)
        self._justice(simulation)
        self._retirement(simulation)

    def _accounts(self, simulation: Simulation) -> None:
        """Compare the ledger with the rows that are held and what the trainer has read."""
        ledger = self.ledgers[0]
        check(ledger.balanced(), f"the ledger is not balanced: {ledger.counts()}")
        check(not ledger.dropped["stale"], "something admitted was too old")
        kept = not ledger.dropped or not self.scenario.manifest.deterministic
        check(kept, f"a deterministic run drops: {ledger.counts()}")
        read = simulation.world.staleness.total() - ledger.trained
        rows = [row for row in self._rows() if row.version >= 0 and not row.trained]
        begun = read + sum(row.executed for row in rows)
        check(
            begun <= ledger.in_flight <= read + len(rows),
            f"{ledger.counts()}, but {read} are with the trainer and {len(rows)} are held",
        )

    def _rows(self) -> Iterator[Row]:
        """Yield the held rows of lanes that train."""
        for memory in self.memories:
            for slot, row in memory.holding():
                if row.lane % self._lanes < self._training and slot not in memory.dropped:
                    yield row

    def _versions(self) -> None:
        """Compare what was announced with what everybody can see."""
        there = min(memory.version for memory in self.memories)
        announced = [one.version for one in (*self.dispatchers, *self.batchers, *self.admissions)]
        check(max(announced) <= there, f"{announced} were announced, {there} is there")
        check(min(announced) >= self._version, f"{announced} came after {self._version}")
        self._version = min(announced)

    def _bounds(self, simulation: Simulation) -> None:
        ledger, staleness = self.ledgers[0], simulation.world.staleness
        if staleness:
            check(max(staleness) <= self._eta, f"staleness {max(staleness)} > {self._eta}")
        granted = (self._eta + self._version + 1) * self._batch
        asked = self._asked(ledger)
        check(asked <= granted, f"{asked} of a batch were begun, at most {granted} may be")
        queue = len(self.streamers[0]) * self._unit
        check(queue <= (self._eta + 1) * self._batch, f"{queue} of a batch wait for the trainer")
        for batcher in self.batchers:
            check(len(batcher) <= self._lanes, f"{len(batcher)} of {self._lanes} lanes wait")

    def _asked(self, ledger: Ledger) -> int:
        """Return how many decisions, or episodes of groups, were begun that were not dropped."""
        algorithm = self.scenario.manifest.phases[0].algorithm
        if self.groups is None or algorithm.grouping is None:
            return ledger.trained + ledger.in_flight
        if algorithm.grouping.selects:
            return 0  # how many groups were dropped only the pipeline knows
        return len(self.groups.begun) * algorithm.grouping.size

    def _justice(self, simulation: Simulation) -> None:
        """Check that who was killed had been silent for as long as the deadline says."""
        deaths, faults = simulation.world.deaths, self.scenario.runtime.faults
        silent = faults.lost or faults.unanswered or faults.late
        while self._deaths < len(deaths):
            death = deaths[self._deaths]
            self._deaths += 1
            check(not death.unjust, f"{death}")
            patient = silent or death.how != "killed" or death.seconds > DEADLINE - 1e-6
            starting = death.doing == "build"  # a run may end in the middle of it
            check(patient or starting, f"it was killed early: {death}")

    def _retirement(self, simulation: Simulation) -> None:
        """Check that recycling costs no decision, and that nobody stays whom no lane needs."""
        lost = {*get_args(LossReason)} & {*self.ledgers[0].dropped}
        check(not lost or not self.scenario.runtime.faults.none, f"{lost} of well workers")
        alive = Counter(link.name for link in simulation.world.links)
        for name, count in alive.items():
            check(count <= 1 + self._lanes, f"{count} workers {name} are there at once")

    def update(self, simulation: Simulation) -> None:
        """Check what must hold after every update."""
        progress = simulation.progress
        read = simulation.world.staleness.total()
        decisions = progress.updates * self._batch
        if self.groups is not None:
            self.groups.update()
            decisions = read
        check(read == decisions, f"{read} decisions in {progress.updates} updates")
        check(progress.decisions == decisions, f"{progress} counts other decisions")
        for memory in self.memories:
            self._leaks(memory)
        alive = {task.get_name() for task in asyncio.all_tasks()}
        for cell in range(len(self.memories)):
            lanes = range(cell * self._lanes, cell * self._lanes + self._training)
            gone = [lane for lane in lanes if f"lane {lane}" not in alive]
            check(not gone, f"lanes {gone} do not go on")

    def _leaks(self, memory: StrictMemory) -> None:
        """Check that there is a reason to hold each row: the trainer holds none now."""
        held = [row for _, row in memory.holding() if row.whole]
        newest: dict[int, int] = {}
        for row in held:
            newest[row.lane] = max(row.ordinal, newest.get(row.lane, -1))
        before = {(row.lane, row.ordinal) for row in held if row.executed and not row.trained}
        for row in held:
            needed = row.ordinal == newest[row.lane] or row.version >= 0
            needed |= (row.lane, row.ordinal - 1) in before
            told = f"lane {row.lane}, observation {row.ordinal}, trained on: {row.trained}"
            kept = self.scenario.manifest.deterministic  # to repeat the episode
            check(needed and (kept or not row.trained), f"a slot is held for nothing: {told}")
        unwritten = len(memory.held) - len(held)
        check(unwritten <= 2 * self._lanes, f"{unwritten} slots hold nothing")

    def end(self) -> None:
        """Check what must hold when it is over, however it ended."""
        if self.ledgers:
            ledger = self.ledgers[0]
            check(ledger.balanced(), f"the ledger is not balanced: {ledger.counts()}")
            check(not ledger.in_flight, f"{ledger.in_flight} decisions are in flight for ever")
            whole = self.groups is not None or ledger.trained % self._batch == 0
            check(whole, f"{ledger.trained} decisions were trained on")
