"""Low-rank adapters (arXiv 2106.09685) through peft, which takes a second to import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor, nn

    from rlvla.plugins.models.lora import LoRA

ADAPTER = "default"


def add_adapters(
    network: nn.Module,
    options: LoRA,
    *,
    heads: Sequence[str],
    output: str | None = None,
    whole: Sequence[str] = (),
) -> None:
    """Put adapters into the network and freeze all but them, its `heads` and modules in `whole`.

    Modules that never run get none, nor does the module `output` if all others are meant.
    """
    trained = [one for name in whole for one in _trained(network.get_submodule(name))]
    excluded = _excluded(network, heads)
    if output is not None and options.target_modules == "all-linear":
        excluded.append(output)
    config = LoraConfig(
        r=options.r,
        lora_alpha=options.alpha,
        target_modules=options.targets,
        exclude_modules=excluded,
        init_lora_weights="gaussian",
    )
    inject_adapter_in_model(config, network, ADAPTER)
    for head in heads:
        network.get_submodule(head).requires_grad_(requires_grad=True)
    for weight in trained:
        weight.requires_grad = True


def merged_state(network: nn.Module) -> dict[str, Tensor]:
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


def _modules(network: nn.Module) -> list[tuple[str, nn.Module]]:
    # torch leaves a default untyped here, which strict checkers refuse.
    return list(cast("Iterator[tuple[str, nn.Module]]", cast("Any", network).named_modules()))


def _trained(module: nn.Module) -> list[nn.Parameter]:
    return [one for one in module.parameters() if one.requires_grad]


def _excluded(network: nn.Module, heads: Sequence[str]) -> list[str]:
    """Return the heads and the modules that never run."""
    return [
        name
        for name, module in _modules(network)
        if name.startswith(tuple(heads)) or not any(p.requires_grad for p in module.parameters())
    ]
