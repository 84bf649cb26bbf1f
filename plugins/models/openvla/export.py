"""The layouts in which policies of OpenVLA and OpenVLA-OFT leave rlvla."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rlvla.core.interfaces import Exporter
from rlvla.plugins.models.exporting import MERGED, PEFT, adapters_alone, whole, write_merged
from rlvla.plugins.models.openvla import publishing
from rlvla.plugins.models.openvla.actions import actions_of
from rlvla.plugins.models.tensors import without

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from rlvla.core.types import Arrays, SimulatorSpec
    from rlvla.plugins.models.openvla import OpenVLA
    from rlvla.plugins.models.openvla.policy import OpenVLAPolicy

VALUE = ("value_head.",)
"""What no published layout holds."""


def exports_of(options: OpenVLA) -> dict[str, Exporter[Any]]:
    """Return the layouts that the options allow, by name.

    Adapters alone only of a run that trained them on a checkpoint that is whole: their users add
    them to that.
    """
    read = partial(_read, options)
    exporters: dict[str, Exporter[Any]] = {
        MERGED: Exporter(write=write_merged, read=read, tensors=_all, outputs=outputs),
        "openvla": Exporter(
            write=publishing.write_published,
            write_reduced=partial(publishing.write_published, reduced=True),
            read=read,
            tensors=_published,
            outputs=outputs,
        ),
    }
    if options.lora is not None and options.checkpoint is not None and options.base is None:
        alone = adapters_alone(options, options.lora, options.checkpoint, outputs)
        exporters[PEFT] = _with_components(alone)
    return exporters


def outputs(policy: OpenVLAPolicy, rows: Arrays) -> Tensor:
    """Return log-probs of the recorded tokens and their actions; of a regression its actions."""
    if "tokens" not in rows:
        count = len(rows["instruction"])
        greedy = np.zeros(count, np.float32)
        decided = policy.act(rows, seeds=np.zeros(count, np.uint64), temperature=greedy)
        return torch.as_tensor(decided["action"])
    vocabulary = policy.module.architecture.decoder.vocabulary
    actions = actions_of(rows["tokens"], policy.reading.statistics, vocabulary)
    return torch.cat([policy.evaluate(rows).log_prob.cpu(), torch.as_tensor(actions)], 1)


def _read(options: OpenVLA, directory: Path, spec: SimulatorSpec, seed: int) -> OpenVLAPolicy:
    reopened = replace(options, checkpoint=str(directory), base=None, lora=None, statistics=None)
    return reopened.build(spec, seed=seed)


def _all(policy: OpenVLAPolicy) -> dict[str, Tensor]:
    return whole(policy.module)


def _published(policy: OpenVLAPolicy) -> dict[str, Tensor]:
    return without(whole(policy.module), VALUE)


def _with_components(adapters: Exporter[Any]) -> Exporter[Any]:
    """Return an exporter of adapters that also has what belongs beside them: OFT's heads."""

    def write(policy: OpenVLAPolicy, directory: Path) -> None:
        adapters.write(policy, directory)
        publishing.write_beside(policy, directory)

    def read(directory: Path, spec: SimulatorSpec, seed: int) -> OpenVLAPolicy:
        policy: OpenVLAPolicy = adapters.read(directory, spec, seed)
        publishing.read_components(policy.module, directory)
        return policy

    def tensors(policy: OpenVLAPolicy) -> dict[str, Tensor]:
        return {**adapters.tensors(policy), **publishing.of_components(policy.module)}

    return replace(adapters, write=write, read=read, tensors=tensors)
