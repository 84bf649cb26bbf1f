"""Small components that manifests of the tests name."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the types of options are read at run time
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - as above
from types import MappingProxyType
from typing import Any, Literal

import pytest

from rlvla.core.assignment import Assignment
from rlvla.core.registry import Components
from rlvla.core.types import Field, SimulatorSpec


@dataclass(frozen=True, kw_only=True)
class Toy:
    """A simulator with an expert."""

    lanes: int = 4
    task: Literal["reach", "push"] = "reach"
    size: tuple[int, int] = (64, 64)
    assets: Path | None = None

    def __post_init__(self) -> None:
        if self.lanes < 1:
            raise ValueError(f"lanes must be at least 1, got {self.lanes}")

    @property
    def spec(self) -> SimulatorSpec:
        return SimulatorSpec(
            cameras={"top": self.size},
            proprio=2,
            action_low=(-1.0,),
            action_high=(1.0,),
            max_steps=10,
            control_hz=5.0,
        )

    def expert(self) -> None:
        """Be an `ExpertSimulator` as far as a manifest can tell."""


@dataclass(frozen=True, kw_only=True)
class Wild:
    """A simulator without an expert, and with an option that has no default."""

    lanes: int

    @property
    def spec(self) -> SimulatorSpec:
        return Toy().spec


@dataclass(frozen=True, kw_only=True)
class Lora:
    """Nested options."""

    r: int = 8
    alpha: float = 16.0

    def __post_init__(self) -> None:
        if self.r < 1:
            raise ValueError(f"r must be at least 1, got {self.r}")


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """A model."""

    chunk: int = 2
    value: Literal["chunk", "action"] = "chunk"
    lora: Lora | None = None
    token: str | None = None
    scales: Mapping[str, float] = field(default_factory=dict[str, float])

    def decision_fields(self, spec: SimulatorSpec) -> Mapping[str, Field]:
        if self.chunk > spec.max_steps:
            raise ValueError(f"chunk must be at most {spec.max_steps}, got {self.chunk}")
        values = 1 if self.value == "chunk" else self.chunk
        return {"value": Field((values,), "float32"), "action": Field((self.chunk, 1), "float32")}


@dataclass(frozen=True, kw_only=True)
class Learn:
    """An algorithm that learns from the policy's decisions."""

    lr: float = 1e-4
    batch_size: int = 64
    micro_batch_size: int = 16
    epochs: int = 1
    minibatches = 1
    advantage: Literal["chunk", "action"] = "chunk"
    ratio: Literal["token", "action", "chunk"] = "token"
    noise: float = 0.1
    betas: list[float] = field(default_factory=lambda: [0.9, 0.95])
    demonstrations = 0
    grouping = None
    cotraining = None
    recording = None
    compared = MappingProxyType(dict[str, Any]())

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ValueError(f"lr must be positive, got {self.lr}")

    def check(self, spec: SimulatorSpec, model: Mapping[str, Field]) -> None:
        if self.ratio == "chunk" and self.advantage == "action":
            raise ValueError("ratio chunk is coarser than advantage action")
        if self.noise == 0:
            raise ValueError("noise is 0, so the policy would not explore")
        if self.advantage == "action" and model["value"].shape == (1,):
            raise ValueError("advantage action needs a model whose value is per action")


@dataclass(frozen=True, kw_only=True)
class Copy:
    """An algorithm that learns from demonstrations."""

    batch_size: int = 50
    micro_batch_size: int = 25
    epochs: int = 1
    minibatches = 1
    demonstrations: int = 10
    grouping = None
    cotraining = None
    recording = None
    compared = MappingProxyType(dict[str, Any]())

    def check(self, spec: SimulatorSpec, model: Mapping[str, Field]) -> None:
        """Take everything."""


@dataclass(frozen=True, kw_only=True)
class Dynamic:
    """A batching scheduler."""

    max_batch: int = 8
    max_wait_ms: float = 2.0

    def rule(self, groups: Mapping[int, int]) -> Dynamic:
        del groups
        return self


@dataclass(frozen=True, kw_only=True)
class Even:
    """A sharding scheduler."""

    shards: int = 2

    def assign(self, lanes: int, *, batched: bool = False) -> Assignment:
        del batched
        if self.shards > lanes:
            raise ValueError(f"shards must be at most the {lanes} lanes, got {self.shards}")
        workers = tuple(lane % self.shards for lane in range(lanes))
        return Assignment(workers=workers, generators=(0,) * lanes, groups=workers)


@dataclass(frozen=True, kw_only=True)
class Plain:
    """A runtime or logger."""

    path: Path | None = None
    key: str | None = None


def components() -> Components:
    """Return the registries that hold the above."""
    kinds: Any = Components().owned_by("small")
    named = {
        "simulators": {"toy": Toy, "wild": Wild, "broken": "no_such_module:Broken"},
        "models": {"tiny": Tiny},
        "algorithms": {"learn": Learn, "copy": Copy},
        "batching": {"dynamic": Dynamic, "greedy": Dynamic},
        "sharding": {"even": Even},
        "runtimes": {"local": Plain, "inline": Plain},
        "loggers": {"console": Plain, "jsonl": Plain, "tensorboard": Plain},
    }
    for kind, entries in named.items():
        for name, factory in entries.items():
            getattr(kinds, kind).add(name, factory)
    return kinds


@pytest.fixture(scope="session", name="components")
def small_components() -> Components:
    return components()
