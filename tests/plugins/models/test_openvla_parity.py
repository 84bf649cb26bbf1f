from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from rlvla.plugins.models.openvla import checkpoint, presets
from rlvla.plugins.models.openvla.actions import actions_of
from rlvla.plugins.models.openvla.conventions import Conventions
from rlvla.plugins.models.openvla.network import Network, Sequence
from rlvla.plugins.models.openvla.reading import Critic
from rlvla.plugins.models.openvla.sampling import draw
from rlvla.plugins.models.openvla.source import Source, statistics_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

FIXTURE = Path(__file__).parent / "parity" / "openvla"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as published, of random weights and tiny sizes."""
    path = tmp_path_factory.mktemp("openvla")
    (path / "config.json").write_bytes((FIXTURE / "config.json").read_bytes())
    packed = (FIXTURE / "model.safetensors.gz").read_bytes()
    (path / "model.safetensors").write_bytes(gzip.decompress(packed))
    return path


@pytest.fixture(scope="module")
def network(directory: Path) -> Network:
    source = Source(directory, directory)
    with torch.device("meta"):
        network = Network(presets.from_config(source.config), nn.Identity())
    checkpoint.fill(network, source, critic=Critic("head", detach=False))
    return network


@pytest.fixture(scope="module")
def reference() -> Mapping[str, NDArray[Any]]:
    """Inputs, and what the original implementation computed from them."""
    with np.load(FIXTURE / "ref.npz") as arrays:
        return dict(arrays)


def assert_near(ours: Tensor, theirs: NDArray[Any]) -> None:
    ours_ = ours.detach().numpy()
    assert ours_.shape == theirs.shape
    assert np.abs(ours_ - theirs).max() <= 1e-5 * np.abs(theirs).max()


@torch.no_grad()
def features(network: Network, reference: Mapping[str, NDArray[Any]]) -> Tensor:
    pixels = torch.tensor(reference["pixel_values"])
    return network.vision_backbone.forward(pixels[:, :3], pixels[:, 3:])


def prompt(reference: Mapping[str, NDArray[Any]]) -> tuple[Tensor, Tensor]:
    ids = torch.tensor(reference["input_ids"])[:, 1:]
    return ids, torch.tensor([ids.shape[1]])


def test_patch_features_are_those_of_the_original(
    network: Network, reference: Mapping[str, NDArray[Any]]
) -> None:
    assert_near(features(network, reference), reference["patches"])


@torch.no_grad()
def test_logits_are_those_of_the_original(
    network: Network, reference: Mapping[str, NDArray[Any]]
) -> None:
    projected = network.projector.forward(features(network, reference))
    assert_near(projected, reference["projector"])
    sequence = network.prefix(projected, *prompt(reference))
    hidden = network.hidden(sequence, last=sequence.embeddings.shape[1])
    assert_near(network.bin_logits(hidden), reference["logits_action_bins"])


@torch.no_grad()
def test_greedy_actions_are_those_of_the_original(
    network: Network, reference: Mapping[str, NDArray[Any]], directory: Path
) -> None:
    projected = network.projector.forward(features(network, reference))
    sample = draw(
        network,
        network.prefix(projected, *prompt(reference)),
        noise=torch.zeros(1, 7, 256),
        divisor=torch.ones(1, 1, 1),
    )
    statistics = statistics_of(Source(directory, directory).config, None, Conventions())
    actions = actions_of(sample.tokens[0].numpy(), statistics, 32000)
    np.testing.assert_allclose(actions, reference["actions"], atol=1e-5)


@torch.no_grad()
def test_decoder_is_llama_of_transformers(network: Network) -> None:
    embeddings = torch.randn(2, 9, 64, generator=torch.Generator().manual_seed(0))
    positions, valid = torch.arange(9)[None], torch.ones(1, 9, dtype=torch.bool)
    ours = network.hidden(Sequence(embeddings, positions, valid), last=4)
    theirs = cast("Any", network.language_model).model(inputs_embeds=embeddings)
    assert_near(ours, theirs.last_hidden_state[:, -4:].numpy())


def test_full_size_has_the_published_parameters() -> None:
    with torch.device("meta"):
        network = Network(presets.published(), nn.Identity())
    assert sum(one.numel() for one in network.parameters()) == 7_541_237_184
    assert len(network.state_dict()) == 982


def test_published_config_needs_no_section_of_ours() -> None:
    config = json.loads((FIXTURE / "config.json").read_text())
    config["text_config"] = {"model_type": "llama", "pad_token_id": 32000, "vocab_size": 32064}
    del config["rlvla"]
    assert presets.from_config(config) == presets.published()
    config["timm_model_ids"] = ["vit_base_patch16_224"]
    with pytest.raises(ValueError, match=r"names the vision towers .*vit_base_patch16_224"):
        presets.from_config(config)
