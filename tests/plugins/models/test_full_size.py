"""Networks of the published sizes, without memory: their tensors are those of the originals.

`keys.txt` lists what the originals' own code makes at tiny sizes, by name and shape; at full size
there are more layers of the same kinds, and other numbers in the shapes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from rlvla.plugins.models.openvla import presets as openvla
from rlvla.plugins.models.openvla.network import Network as OpenVLANetwork
from rlvla.plugins.models.openvla_oft.components import PREFIX
from rlvla.plugins.models.openvla_oft.heads import ActionHead, ProprioProjector
from rlvla.plugins.models.openvla_oft.network import ParallelNetwork
from rlvla.plugins.models.pi0 import presets as pi0
from rlvla.plugins.models.pi0.network import Network as PiNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping

PARITY = Path(__file__).parent / "parity"
LAYER = re.compile(r"^(.*?\.(?:blocks|layers))\.(\d+)\.(.*)$")
DEPTHS = {
    "vision_backbone.featurizer.blocks": 24,
    "vision_backbone.fused_featurizer.blocks": 27,
    "language_model.model.layers": 32,
    "paligemma_with_expert.paligemma.model.vision_tower.vision_model.encoder.layers": 27,
    "paligemma_with_expert.paligemma.model.language_model.layers": 18,
    "paligemma_with_expert.gemma_expert.model.layers": 18,
}
UNUSED = "paligemma_with_expert.gemma_expert.lm_head.weight"
"""Words of pi's expert, which has none: openpi's files may have them, nothing reads them."""


def listed(folder: str) -> dict[str, int]:
    """Return the originals' tensors and how many dimensions each has."""
    lines = (PARITY / folder / "keys.txt").read_text().splitlines()
    pairs = [line.split(" ", 1) for line in lines if line]
    return {name: len(re.findall(r"\d+", shape)) for name, shape in pairs if name != UNUSED}


def grown(tiny: Mapping[str, int]) -> dict[str, int]:
    """Return the tensors of the published depths: every layer has what each tiny one has."""
    full = dict[str, int]()
    layers: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for name, dimensions in tiny.items():
        found = LAYER.match(name)
        if found is None:
            full[name] = dimensions
        else:
            layers[found[1]][found[2]][found[3]] = dimensions
    for stack, numbered in layers.items():
        first, *others = numbered.values()
        assert all(other == first for other in others)
        for number in range(DEPTHS[stack]):
            full |= {f"{stack}.{number}.{name}": one for name, one in first.items()}
    return full


def tensors_of(network: nn.Module) -> dict[str, int]:
    state: Mapping[str, torch.Tensor] = network.state_dict()
    return {name: one.dim() for name, one in state.items() if name != "imitated"}


def parameters_of(network: nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


def test_openvla_has_the_published_tensors() -> None:
    with torch.device("meta"):
        network = OpenVLANetwork(openvla.published(), nn.Identity())
    assert tensors_of(network) == grown(listed("openvla"))
    assert parameters_of(network) == 7_541_237_184


@pytest.mark.parametrize(
    ("folder", "adaptive", "parameters"),
    [("pi0", False, 3_238_048_528), ("pi05", True, 3_353_433_872)],
)
def test_pi_has_the_published_tensors(folder: str, adaptive: bool, parameters: int) -> None:
    with torch.device("meta"):
        network = PiNetwork(pi0.published(adaptive=adaptive), nn.Identity())
    assert tensors_of(network) == grown(listed(folder))
    assert parameters_of(network) == parameters


def test_oft_has_openvlas_tensors_and_those_of_its_component_files() -> None:
    """The shapes follow from the published sizes: width 4096, 7 dimensions, proprioception of 8."""
    architecture = openvla.published()
    width = architecture.decoder.width
    with torch.device("meta"):
        heads = ActionHead(width, 7), ProprioProjector(8, width)
        network = ParallelNetwork(architecture, nn.Identity(), *heads)
    found: Mapping[str, torch.Tensor] = network.state_dict()
    parts = dict[str, tuple[int, ...]]()
    for component in ("action_head", "proprio_projector"):
        file = PARITY / "openvla_oft" / f"{component}--100_checkpoint.pt"
        tiny: Mapping[str, torch.Tensor] = torch.load(file, weights_only=True)
        parts |= {
            f"{component}.{name.removeprefix(PREFIX)}": tuple(one.shape)
            for name, one in tiny.items()
        }
    assert {name: len(shape) for name, shape in parts.items()} | grown(listed("openvla")) == (
        tensors_of(network)
    )
    small = parts["action_head.model.fc1.weight"][0]
    for name, shape in parts.items():
        scaled = [{small: 4096, 7 * small: 7 * 4096}.get(size, size) for size in shape]
        assert list(found[name].shape) == scaled, name
