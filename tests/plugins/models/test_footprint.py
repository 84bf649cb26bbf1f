from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from rlvla.core.testing.rows import observations
from rlvla.plugins.models.compute import Compute
from rlvla.plugins.models.lora import LoRA
from rlvla.plugins.models.openvla import OpenVLA
from rlvla.plugins.models.openvla import presets as openvla
from rlvla.plugins.models.openvla.network import Network as OpenVLANetwork
from rlvla.plugins.models.openvla_oft import OpenVLAOFT
from rlvla.plugins.models.pi0 import Pi0, Pi05
from rlvla.plugins.models.pi0 import presets as pi0
from rlvla.plugins.models.pi0.interface import CAMERAS, Interface
from rlvla.plugins.models.pi0.network import Network as PiNetwork
from rlvla.plugins.models.pi0.scaling import Scales

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.footprint import Footprint
    from rlvla.core.types import Array, SimulatorSpec

GB = 1e9
VALUE_HEAD = 4096 * 512 + 512 + 512 * 128 + 128 + 128


def hollow(network: nn.Module, file: Path) -> None:
    """Write a file of float32 tensors that are all zeros, which takes no room on a disk."""
    header, end = dict[str, object](), 0
    for name, one in network.state_dict().items():
        if name != "imitated":
            first, end = end, end + 4 * one.numel()
            entry = {"dtype": "F32", "shape": [*one.shape], "data_offsets": [first, end]}
            header[name] = entry
    packed = json.dumps(header).encode()
    with file.open("wb") as opened:
        opened.write(len(packed).to_bytes(8, "little") + packed)
        opened.truncate(8 + len(packed) + end)


@pytest.fixture
def large(tmp_path: Path, spec: SimulatorSpec) -> Path:
    """A checkpoint of OpenVLA's published size, but for the words of its prompts."""
    architecture = replace(openvla.published(), tokenizer="words")
    with torch.device("meta"):
        hollow(OpenVLANetwork(architecture, nn.Identity()), tmp_path / "model.safetensors")
    config = openvla.to_config(architecture)
    action = {"q01": [-1.0] * spec.action_dim, "q99": [1.0] * spec.action_dim}
    config["norm_stats"] = {"made": {"action": action}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_openvla_of_the_published_size_is_measured_without_memory(
    large: Path, spec: SimulatorSpec
) -> None:
    full, adapted = OpenVLA(checkpoint=str(large)).footprints(spec, device="cuda")
    assert (full.name, adapted.name) == ("full training", "adapters of rank 32")
    assert full.parameters == 7_541_237_184 + VALUE_HEAD
    assert adapted.parameters > full.parameters
    assert full.masters == 4 * full.trained
    assert 30 * GB < full.masters + full.frozen < 31 * GB
    assert 14.5 * GB < adapted.frozen < 16 * GB  # bfloat16, but for norms and output layers
    assert 15 * GB < full.copy < 16 * GB
    assert full.copy < adapted.copy < full.copy + 4 * (adapted.parameters - full.parameters)
    tokens = 1 + 256 + 64 + spec.action_dim - 1  # with a prompt of at most 64
    each = 2 * 32 * 4096 * 2  # keys and values of 32 layers in bfloat16
    assert 258 * each < full.remembered < tokens * each
    for one in (full, adapted):
        assert 32 * 258 * 4096 * 2 < one.recomputed < one.kept


def test_pi_of_the_published_size_is_measured_without_memory(
    tmp_path: Path, spec: SimulatorSpec
) -> None:
    with torch.device("meta"):
        network = PiNetwork(pi0.published(adaptive=False), nn.Identity())
    hollow(network, tmp_path / "model.safetensors")
    interface = Interface(
        horizon=50, action_dim=32, tokens=48, cameras=CAMERAS, words=True, discrete=False
    )
    (tmp_path / "config.json").write_text(json.dumps(interface.plain()))
    (tmp_path / "norm_stats.json").write_text(json.dumps(Scales.of_simulator(spec).plain()))
    options = Pi0(checkpoint=str(tmp_path), cameras={"top": "base_0_rgb"})
    full, _ = options.footprints(spec, device="cuda")
    head = 1024 * 512 + 512 + 512 * 256 + 256 + 256 * 128 + 128 + 128 + 1
    assert full.parameters == 3_238_048_528 + head
    assert 6.4 * GB < full.copy < 6.6 * GB
    each = 2 * 18 * 256 * 2  # keys and values of one head of 18 layers in bfloat16
    assert 256 * each < full.remembered <= (256 + 48) * each


MODELS = {"openvla": OpenVLA(), "oft": OpenVLAOFT(chunk=2), "pi0": Pi0(), "pi05": Pi05()}


def kept_by(options: OpenVLA | Pi0, spec: SimulatorSpec, rows: dict[str, Array]) -> int:
    """Return what a real forward pass keeps, in bytes."""
    policy = options.build(spec, seed=0)
    count = len(rows["instruction"])
    seeds, heat = np.arange(count, dtype=np.uint64), np.ones(count, np.float32)
    batch = rows | dict(policy.act(rows, seeds=seeds, temperature=heat))
    known = {one.untyped_storage().data_ptr() for one in policy.module.parameters()}
    held = dict[int, torch.Tensor]()

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in known:
            held[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        policy.evaluate(batch)
    return sum(one.untyped_storage().nbytes() for one in held.values())


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_what_is_told_is_what_a_real_pass_keeps(model: OpenVLA | Pi0, spec: SimulatorSpec) -> None:
    told = model.footprints(spec, device="cpu")[0].kept
    two, six = (kept_by(model, spec, observations(spec, rows=rows)) for rows in (2, 6))
    assert math.isclose(told, (six - two) / 4, rel_tol=0.02)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_weights_are_counted_as_they_are_kept(model: OpenVLA | Pi0, spec: SimulatorSpec) -> None:
    half = replace(model, compute=Compute(precision="bfloat16"), lora=LoRA(r=4))
    told = half.footprints(spec, device="cpu")[0]
    policies = [half.build(spec, seed=0) for _ in range(2)]
    for policy, trains in zip(policies, (True, False), strict=True):
        policy.place(torch.device("cpu"), trains=trains)
    trainer, generator = ([*one.module.parameters()] for one in policies)
    assert told.name == "adapters of rank 4"
    assert told.masters == sum(one.nbytes for one in trainer if one.requires_grad)
    assert told.frozen == sum(one.nbytes for one in trainer if not one.requires_grad)
    assert told.copy == sum(one.nbytes for one in generator)


def test_checkpointing_tells_the_smaller_number(spec: SimulatorSpec) -> None:
    def measured(options: OpenVLA) -> Footprint:
        return options.footprints(spec, device="cpu")[0]

    plain = measured(OpenVLA())
    recomputed = measured(OpenVLA(compute=Compute(checkpointing=True)))
    assert plain.activations == plain.kept == recomputed.kept
    assert recomputed.activations == recomputed.recomputed < 0.7 * plain.activations
