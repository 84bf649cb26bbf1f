"""The policy of a run's newest checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.checkpoint import Checkpoints
from rlvla.core.errors import PreflightError, TrainingError
from rlvla.core.runtime.build import place as placed

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from rlvla.core.interfaces import Policy
    from rlvla.core.settings import Manifest
    from rlvla.plugins.serving.reading import Reading


@dataclass(frozen=True)
class Trained:
    """A policy that was trained, and how far."""

    policy: Policy
    version: int


def trained(run_dir: Path, manifest: Manifest, device: str | None = None) -> Trained:
    """Build the policy, load its weights and move it to the device, by default its generator's.

    Raise TrainingError if there are no weights, PreflightError if the device is not here.
    """
    place = _device(manifest, device)
    keep = manifest.checkpointing.keep
    checkpoint = Checkpoints(run_dir / "checkpoints", keep=keep).newest()
    if checkpoint is None:
        raise TrainingError(
            f"{run_dir} holds no checkpoint to serve; `rlvla resume {run_dir}` trains until there "
            "is one"
        )
    policy = manifest.model.build(manifest.simulator.spec, seed=manifest.seed)
    policy.load(str(checkpoint.path))
    placed(policy, place, trains=False)
    return Trained(policy, checkpoint.step)


def _device(manifest: Manifest, wanted: str | None) -> torch.device:
    import torch

    name = wanted or manifest.placement.device("generator", 0, visible=False)
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (AssertionError, NotImplementedError, RuntimeError) as error:  # by kind of device
        told = str(error).partition("\n")[0]
        raise PreflightError(
            f"--device {name}: torch finds no such device here ({told})"
        ) from error
    return device


def metadata(manifest: Manifest, version: int, reading: Reading) -> dict[str, object]:
    """Return what a client is told when it connects: what is served, what it takes and gives."""
    spec = reading.spec
    chunk, dimensions = manifest.model.decision_fields(spec)["action"].shape
    return {
        "run": manifest.name,
        "model": manifest.plain["model"]["type"],
        "version": version,
        "observation": reading.expected,
        "action": {
            "shape": [chunk, dimensions],
            "low": list(spec.action_low),
            "high": list(spec.action_high),
        },
        "control_hz": spec.control_hz,
    }
