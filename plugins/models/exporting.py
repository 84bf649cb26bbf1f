"""What the exporters of all families share: merged weights, adapters, checkpoints of rlvla."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rlvla.core.interfaces import Exporter
from rlvla.plugins.models.tensors import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, nn

    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Arrays, SimulatorSpec
    from rlvla.plugins.models.lora import LoRA

MERGED, PEFT = "merged", "peft"
"""Names of layouts that do not depend on the family."""


def whole(network: nn.Module) -> dict[str, Tensor]:
    """Return all tensors by their published names, with adapters added to their weights."""
    state: dict[str, Any] = network.state_dict()
    if not any(".lora_" in name for name in state):
        return state
    # peft takes a second to import, which a network without adapters need not wait for.
    from rlvla.plugins.models.adapters import merged_state

    return merged_state(network)


def write_merged(policy: Policy, directory: Path) -> None:
    """Write a checkpoint of rlvla without separate adapters: the option `checkpoint` names it."""
    policy.save(str(directory))
    (directory / ADAPTERS).unlink(missing_ok=True)


def adapters_alone(
    options: Any,  # noqa: ANN401 - of any family
    lora: LoRA,
    base: str,
    outputs: Callable[[Any, Arrays], Tensor],
) -> Exporter[Any]:
    """Return the exporter of the adapters that the options train on the checkpoint `base`.

    Its users add them to that.
    """

    # peft takes a second to import, which other layouts need not wait for.
    def write(policy: Policy, directory: Path) -> None:
        from rlvla.plugins.models.peft_files import write_adapters

        write_adapters(policy.module, directory, lora, base=base)

    def read(directory: Path, spec: SimulatorSpec, seed: int) -> Policy:
        from rlvla.plugins.models.peft_files import read_adapters

        policy: Policy = replace(options, lora=None).build(spec, seed=seed)
        read_adapters(policy.module, directory)
        return policy

    def tensors(policy: Policy) -> dict[str, Tensor]:
        from rlvla.plugins.models.peft_files import adapters_of

        return adapters_of(policy.module)

    return Exporter(write=write, read=read, tensors=tensors, outputs=outputs)
