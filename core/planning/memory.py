"""How much memory the policies of a manifest take, on each resource, against what it has."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from rlvla.core.interfaces import Measured
from rlvla.core.planning.finding import Finding, sized

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rlvla.core.footprint import Footprint
    from rlvla.core.settings import Manifest

HOST = "this machine"
ROLES = ("trainer", "generator")


@dataclass
class Load:
    """What one resource has to hold: workers and their bytes by purpose."""

    workers: dict[str, Mapping[str, int]] = field(default_factory=dict[str, "Mapping[str, int]"])

    @property
    def total(self) -> int:
        """All bytes."""
        return sum(sum(parts.values()) for parts in self.workers.values())

    def __str__(self) -> str:
        return "; ".join(f"{name}: {_told(parts)}" for name, parts in self.workers.items())


def policies(manifest: Manifest, gpu_bytes: int | None) -> Iterator[Finding]:
    """Say what each resource holds of the policy, for each way to train it that the model tells.

    Nothing is said of a model that tells none. `gpu_bytes` is what a GPU has, if it is known.
    """
    spec, model, placement = manifest.simulator.spec, manifest.model, manifest.placement
    if not isinstance(model, Measured):
        return
    kinds = {role: "cuda" if placement.of(role).gpus else "cpu" for role in ROLES}
    told = {kind: model.footprints(spec, device=kind) for kind in {*kinds.values()}}
    for trainer, generator in zip(*(told[kinds[role]] for role in ROLES), strict=True):
        for resource, load in _loads(manifest, trainer, generator).items():
            have = _memory(resource, gpu_bytes)
            yield _finding(trainer, resource, load, have)


def _finding(footprint: Footprint, resource: str, load: Load, have: int | None) -> Finding:
    text = (
        f"{footprint.name}, {footprint.trained:,} of {footprint.parameters:,} parameters trained: "
        f"{resource} holds {sized(load.total)}"
    )
    limit = "which is not here to be asked" if have is None else f"of {sized(have)}"
    return Finding(have is None or load.total <= have, f"{text} {limit} ({load})")


def _loads(manifest: Manifest, trainer: Footprint, generator: Footprint) -> dict[str, Load]:
    """Return what each resource holds."""
    loads: dict[str, Load] = defaultdict(Load)
    placement, banks = manifest.placement, _banks(manifest)
    decisions = manifest.phases[-1].algorithm.micro_batch_size
    where = _resource(placement.device("trainer", 0, visible=False))
    loads[where].workers["trainer"] = {
        "frozen weights": trainer.frozen,
        "trained weights": trainer.masters,
        "gradients": trainer.masters,
        "optimizer": 2 * trainer.masters,
        "copies to compute with": trainer.reduced,
        _activations(trainer, decisions): decisions * trainer.activations,
    }
    for number, served in enumerate(manifest.assignment.served):
        where = _resource(placement.device("generator", number, visible=False))
        loads[where].workers[f"generator {number}"] = {
            "weights": generator.copy,
            f"what {len(served)} decisions remember": len(served) * generator.remembered,
        }
    loads[HOST].workers["shared memory"] = {
        f"{banks} versions of trained weights": banks * trainer.masters
    }
    return loads


def _activations(footprint: Footprint, decisions: int) -> str:
    other = footprint.kept if footprint.checkpointing else footprint.recomputed
    how = "without" if footprint.checkpointing else "with"
    return f"activations of {decisions} decisions, {sized(decisions * other)} {how} checkpointing,"


def _banks(manifest: Manifest) -> int:
    return manifest.asynchrony.max_staleness + 2 if manifest.exact_versions else 2


def _resource(device: str) -> str:
    return HOST if device == "cpu" else f"GPU {device.partition(':')[2]}"


def _memory(resource: str, gpu_bytes: int | None) -> int | None:
    if resource == HOST:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if gpu_bytes is not None:
        return gpu_bytes
    import torch

    number = int(resource.rpartition(" ")[2])
    if number >= torch.cuda.device_count():
        return None
    told = cast("Any", torch.cuda.get_device_properties(number))  # which torch leaves untyped
    return int(told.total_memory)


def _told(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {sized(size)}" for name, size in parts.items() if size)
