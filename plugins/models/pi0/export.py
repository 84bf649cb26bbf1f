"""The layouts in which policies of pi0 and pi0.5 leave rlvla."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rlvla.core.interfaces import Exporter
from rlvla.plugins.models.exporting import MERGED, PEFT, adapters_alone, whole, write_merged
from rlvla.plugins.models.pi0 import publishing
from rlvla.plugins.models.pi0.lerobot_files import write_lerobot

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from rlvla.core.types import Arrays, SimulatorSpec
    from rlvla.plugins.models.pi0 import Pi0
    from rlvla.plugins.models.pi0.policy import PiPolicy


def exports_of(options: Pi0) -> dict[str, Exporter[Any]]:
    """Return the layouts that the options allow, by name.

    Adapters alone only of a run that trained them on a checkpoint: their users add them to that.
    """
    read = partial(_read, options)
    exporters: dict[str, Exporter[Any]] = {
        MERGED: Exporter(write=write_merged, read=read, tensors=_all, outputs=outputs),
        "openpi": Exporter(
            write=publishing.write_openpi,
            write_reduced=partial(publishing.write_openpi, reduced=True),
            read=read,
            tensors=publishing.held,
            outputs=outputs,
        ),
        "lerobot": Exporter(
            write=write_lerobot,
            write_reduced=partial(write_lerobot, reduced=True),
            read=read,
            tensors=publishing.held,
            outputs=outputs,
        ),
    }
    if options.lora is not None and options.checkpoint is not None:
        exporters[PEFT] = adapters_alone(options, options.lora, options.checkpoint, outputs)
    return exporters


def outputs(policy: PiPolicy, rows: Arrays) -> Tensor:
    """Return velocities of the flow at the origin, and greedy actions; [B, n]."""
    count, interface = len(rows["instruction"]), policy.reading.interface
    origin = torch.zeros(count, interface.horizon, interface.action_dim)
    seen = policy.see(rows)
    velocity, _ = policy.denoiser(seen)(origin.to(seen.state), seen.state.new_ones(count))
    greedy = np.zeros(count, np.float32)
    action = policy.act(rows, seeds=np.zeros(count, np.uint64), temperature=greedy)["action"]
    return torch.cat([velocity.cpu().flatten(1), torch.as_tensor(action).flatten(1)], 1)


def _read(options: Pi0, directory: Path, spec: SimulatorSpec, seed: int) -> PiPolicy:
    reopened = replace(options, checkpoint=str(directory), lora=None, statistics=None)
    return reopened.build(spec, seed=seed)


def _all(policy: PiPolicy) -> dict[str, Tensor]:
    return whole(policy.module)
