"""Low-rank adapters (arXiv 2106.09685) through peft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from rlvla.plugins.models.openvla import LoRA
    from rlvla.plugins.models.openvla.network import Network

ADAPTER = "default"


def add_adapters(network: Network, options: LoRA) -> None:
    """Put adapters into the network and freeze all but them and the value head."""
    config = LoraConfig(
        r=options.r,
        lora_alpha=options.alpha,
        target_modules=options.target_modules,
        exclude_modules=_excluded(network, everything=options.target_modules == "all-linear"),
        init_lora_weights="gaussian",
    )
    inject_adapter_in_model(config, network, ADAPTER)
    network.value_head.requires_grad_(requires_grad=True)


def merged_state(network: Network) -> dict[str, Tensor]:
    """Return the weights under their published names, with adapters added to them."""
    state = {
        name.replace(".base_layer.", "."): tensor.detach()
        for name, tensor in network.state_dict().items()
        if ".lora_" not in name
    }
    for name, module in _modules(network):
        if isinstance(module, LoraLayer):
            delta = cast("Tensor", cast("Any", module).get_delta_weight(ADAPTER))
            state[f"{name}.weight"] = state[f"{name}.weight"] + delta.detach()
    return state


def _modules(network: Network) -> list[tuple[str, nn.Module]]:
    # torch leaves a default untyped here, which strict checkers refuse.
    return list(cast("Iterator[tuple[str, nn.Module]]", cast("Any", network).named_modules()))


def _excluded(network: Network, *, everything: bool) -> list[str]:
    """Return the modules that never run, the value head and, of all, the output layer."""
    unused = [
        name
        for name, module in _modules(network)
        if name.startswith("value_head") or not any(p.requires_grad for p in module.parameters())
    ]
    return [*unused, "language_model.lm_head"] if everything else unused
