"""Which resources each group of workers may use: colocated, hybrid or disaggregated, as data."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What the workers of one group run on."""

    cores: tuple[int, ...] = ()
    """CPU cores; none listed: any."""
    gpus: tuple[int, ...] = ()
    """CUDA devices: worker `i` of a group has the one at `i` modulo their number."""
    turns: str | None = None
    """Name of something that its holders use in turns, one call at a time, such as a GPU."""

    def __post_init__(self) -> None:
        for name in ("cores", "gpus"):
            numbers = getattr(self, name)
            if any(number < 0 for number in numbers):
                raise ValueError(f"{name} are numbered from 0, got {[*numbers]}")
            if len({*numbers}) < len(numbers):
                raise ValueError(f"{name} must be listed once each, got {[*numbers]}")


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The manifest's `placement`: groups that list the same resource share it."""

    simulator: Resources = field(default_factory=Resources)
    generator: Resources = field(default_factory=Resources)
    trainer: Resources = field(default_factory=Resources)

    def of(self, role: str) -> Resources:
        """Return what a worker with the role `shard`, `generator` or `trainer` runs on."""
        resources: Resources = getattr(self, "simulator" if role == "shard" else role)
        return resources

    def turn(self, role: str) -> int | None:
        """Return the number of what a worker of this role uses in turns, if anything."""
        turns = self.of(role).turns
        return None if turns is None else self.shared.index(turns)

    def device(self, role: str, worker: int, *, visible: bool) -> str:
        """Return where a worker of this role computes: a device of torch.

        `visible`: its process sees no other GPU than its own.
        """
        gpus = self.of(role).gpus
        if not gpus:
            return "cpu"
        return f"cuda:{0 if visible else gpus[worker % len(gpus)]}"

    @property
    def shared(self) -> list[str]:
        """The names of what is used in turns."""
        return sorted({one.turns for one in self._all if one.turns is not None})

    @property
    def _all(self) -> tuple[Resources, ...]:
        return self.simulator, self.generator, self.trainer
