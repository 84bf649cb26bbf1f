"""The layouts in which policies of OpenVLA and OpenVLA-OFT leave rlvla."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rlvla.core.interfaces import Exporter
from rlvla.plugins.models.exporting import MERGED, PEFT, whole, write_merged
from rlvla.plugins.models.openvla import publishing
from rlvla.plugins.models.openvla.actions import actions_of
from rlvla.plugins.models.tensors import without

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from rlvla.core.types import Arrays, SimulatorSpec
    from rlvla.plugins.models.openvla import LoRA, OpenVLA
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
        exporters[PEFT] = Exporter(
            write=partial(_write_adapters, options.lora, options.checkpoint),
            read=partial(_read_adapters, options),
            tensors=_adapters,
            outputs=outputs,
        )
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


def _adapters(policy: OpenVLAPolicy) -> dict[str, Tensor]:
    from rlvla.plugins.models.peft_files import adapters_of

    return adapters_of(policy.module) | publishing.of_components(policy.module)


def _write_adapters(lora: LoRA, base: str, policy: OpenVLAPolicy, directory: Path) -> None:
    from rlvla.plugins.models.peft_files import write_adapters

    write_adapters(policy.module, directory, lora, base=base)
    publishing.write_beside(policy, directory)


def _read_adapters(
    options: OpenVLA, directory: Path, spec: SimulatorSpec, seed: int
) -> OpenVLAPolicy:
    from rlvla.plugins.models.peft_files import read_adapters

    policy = replace(options, lora=None).build(spec, seed=seed)
    read_adapters(policy.module, directory)
    publishing.read_components(policy.module, directory)
    return policy
