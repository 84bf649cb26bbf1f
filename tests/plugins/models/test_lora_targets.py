from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from rlvla.plugins.models.lora import LoRA
from rlvla.plugins.models.openvla import OpenVLA
from rlvla.plugins.models.pi0 import Pi0, Pi05

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.types import SimulatorSpec

FLOW = {
    Pi0: {"state_proj", "action_time_mlp_in", "action_time_mlp_out"},
    Pi05: {"time_mlp_in", "time_mlp_out"},
}
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def trained(model: OpenVLA | Pi0, spec: SimulatorSpec) -> tuple[set[str], set[str]]:
    """Return which modules have adapters and which are trained themselves, but for the value."""
    network = model.build(spec, seed=0).module
    names = [name for name, one in network.named_parameters() if one.requires_grad]
    adapted = {name.split(".lora_")[0] for name in names if ".lora_" in name}
    whole = {name.rpartition(".")[0] for name in names if ".lora_" not in name}
    return adapted, {name for name in whole if not name.startswith("value_head")}


@pytest.mark.parametrize("model", [Pi0, Pi05])
def test_openpi_adapts_both_decoders_and_trains_vision_and_flow_in_full(
    model: type[Pi0], spec: SimulatorSpec
) -> None:
    adapted, whole = trained(model(lora=LoRA(r=4, alpha=4, target_modules="openpi")), spec)
    assert {name.rpartition(".")[2] for name in adapted} == {*LINEAR}
    assert any(".language_model." in name for name in adapted)
    assert any(".gemma_expert." in name for name in adapted)
    flow = {name for name in whole if not name.startswith("paligemma")}
    assert any(".vision_tower." in name for name in whole)
    assert all(".vision_tower." in n or ".multi_modal_" in n for n in whole - flow)
    assert flow == {"action_in_proj", "action_out_proj"} | FLOW[model]


def test_lerobot_adapts_queries_and_values_of_the_expert_and_the_flow(spec: SimulatorSpec) -> None:
    adapted, whole = trained(Pi0(lora=LoRA(r=4, target_modules="lerobot")), spec)
    inner = {name for name in adapted if "gemma_expert" in name}
    assert {name.rpartition(".")[2] for name in inner} == {"q_proj", "v_proj"}
    flow = {"action_in_proj", "action_out_proj", "state_proj"}
    assert adapted - inner == flow | {"action_time_mlp_in", "action_time_mlp_out"}
    assert whole == set()


def test_rlinf_adapts_convolutions_and_the_output_layer_too(spec: SimulatorSpec) -> None:
    adapted, _ = trained(OpenVLA(lora=LoRA(r=4, alpha=4, target_modules="rlinf")), spec)
    assert "language_model.lm_head" in adapted
    assert "vision_backbone.featurizer.patch_embed.proj" in adapted
    linear, _ = trained(OpenVLA(lora=LoRA(r=4)), spec)
    assert adapted - linear == {
        "language_model.lm_head",
        "vision_backbone.featurizer.patch_embed.proj",
        "vision_backbone.fused_featurizer.patch_embed.proj",
    }


@pytest.mark.parametrize("recipe", ["openpi", "lerobot", "rlinf"])
def test_all_that_a_recipe_trains_is_saved(
    recipe: str, spec: SimulatorSpec, tmp_path: Path
) -> None:
    lora = LoRA(r=4, alpha=4, target_modules=recipe)
    model = OpenVLA(lora=lora) if recipe == "rlinf" else Pi0(lora=lora)
    changed, fresh = (model.build(spec, seed=0) for _ in range(2))
    with torch.no_grad():
        for one in changed.module.parameters():
            if one.requires_grad:
                one.add_(1)
    changed.save(str(tmp_path))
    fresh.load(str(tmp_path))
    found = fresh.module.state_dict()
    for name, one in changed.module.state_dict().items():
        assert torch.equal(found[name], one), name
