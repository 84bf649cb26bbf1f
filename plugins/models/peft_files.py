"""Low-rank adapters in the files of peft: `adapter_config.json`, `adapter_model.safetensors`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import peft
from peft.tuners.lora import LoraLayer

from rlvla.plugins.models.adapters import ADAPTER
from rlvla.plugins.models.tensors import write_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor, nn

    from rlvla.plugins.models.lora import LoRA

FILE = "adapter_model.safetensors"
PREFIX = "base_model.model."
_PEFT: Any = peft  # its signatures are not typed to the end


def adapters_of(network: nn.Module) -> dict[str, Tensor]:
    """Return the matrices of the adapters by their names in the network."""
    state = network.state_dict()
    return {name: one.detach() for name, one in state.items() if ".lora_" in name}


def write_adapters(network: nn.Module, directory: Path, options: LoRA, *, base: str) -> None:
    """Write the adapters of a network, and what peft needs to put them onto that of `base`.

    The modules are listed one by one, so that no other of a similar name gets an adapter.
    """
    modules = cast("Iterator[tuple[str, nn.Module]]", cast("Any", network).named_modules())
    config = _PEFT.LoraConfig(
        r=options.r,
        lora_alpha=options.alpha,
        target_modules=sorted(name for name, one in modules if isinstance(one, LoraLayer)),
        base_model_name_or_path=base,
        inference_mode=True,
    )
    config.save_pretrained(str(directory))
    named = {
        f"{PREFIX}{name.replace(f'.{ADAPTER}', '')}": one
        for name, one in adapters_of(network).items()
    }
    write_tensors(named, directory / FILE)


def read_adapters(network: nn.Module, directory: Path) -> None:
    """Let peft put adapters into a network that has none."""
    _PEFT.PeftModel.from_pretrained(network, str(directory), adapter_name=ADAPTER)
