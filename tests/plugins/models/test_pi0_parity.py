from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from rlvla.plugins.models.flow.sampler import Sampler
from rlvla.plugins.models.flow.sampling import FlowSampling
from rlvla.plugins.models.pi0 import checkpoint, presets
from rlvla.plugins.models.pi0.interface import CAMERAS, config_of, from_config
from rlvla.plugins.models.pi0.network import Inputs, Network, Prefix
from rlvla.plugins.models.pi0.sizes import architecture_of
from rlvla.plugins.models.tensors import refuse_misfit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

FIXTURES = Path(__file__).parent / "parity"
KINDS = ("pi0", "pi05")
Reference = dict[str, "Tensor"]


def unpack(kind: str, path: Path) -> Path:
    """Write a checkpoint in openpi's layout, of random weights and tiny sizes."""
    (path / "config.json").write_bytes((FIXTURES / kind / "config.json").read_bytes())
    packed = (FIXTURES / kind / "model.safetensors.gz").read_bytes()
    (path / "model.safetensors").write_bytes(gzip.decompress(packed))
    return path


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture(scope="module")
def network(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Network:
    return loaded(unpack(kind, tmp_path_factory.mktemp(kind)), adaptive=kind == "pi05")


@pytest.fixture(scope="module")
def reference(kind: str) -> Reference:
    """Inputs, and what the original implementation computed from them."""
    with np.load(FIXTURES / kind / "ref.npz") as arrays:
        return {name: torch.tensor(one) for name, one in arrays.items()}


def loaded(path: Path, *, adaptive: bool) -> Network:
    tensors = checkpoint.tensors_of(path)
    interface = from_config(config_of(path), adaptive=adaptive)
    sizes = architecture_of(tensors, adaptive=adaptive, vision_heads=interface.vision_heads)
    network = Network(sizes, nn.Identity())
    own = {name: one for name, one in network.state_dict().items() if name != "imitated"}
    refuse_misfit(tensors, own, path)
    network.load_state_dict(tensors, strict=False)
    return network


def assert_near(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@torch.no_grad()
def prefix(network: Network, reference: Reference) -> Prefix:
    """The third camera shows nothing; what its pixels hold must not matter."""
    images = [reference[f"img_{name}"] for name in CAMERAS[:2]]
    inputs = Inputs(
        images=[*images, torch.full_like(images[0], 3.0)],
        shown=[reference[f"mask_{name}"] for name in CAMERAS],
        ids=reference["tok"],
        valid=reference["tokmask"],
    )
    assert not inputs.shown[2].any()
    return network.prefix(inputs)


@torch.no_grad()
def denoised(network: Network, seen: Prefix, state: Tensor, noise: Tensor) -> Tensor:
    """Let Euler's steps begin at the noise."""
    horizon, width = noise.shape[1:]
    sampler = Sampler(
        sampling=FlowSampling(steps=10),
        horizon=horizon,
        width=width,
        chunk=horizon,
        dimensions=width,
    )

    def denoise(points: Tensor, times: Tensor) -> tuple[Tensor, None]:
        return network.velocity(network.features(seen, state, points, times)), None

    return sampler.denoise(denoise, noise)


@torch.no_grad()
def test_flow_matching_errors_are_those_of_the_original(
    network: Network, reference: Reference
) -> None:
    time = reference["time"]
    noisy = torch.lerp(reference["act"], reference["noise"], time[:, None, None])
    seen = prefix(network, reference)
    velocity = network.velocity(network.features(seen, reference["state"], noisy, time))
    error = (velocity - (reference["noise"] - reference["act"])).square()
    assert_near(error, reference["loss"])


def test_actions_are_those_of_the_original(network: Network, reference: Reference) -> None:
    seen = prefix(network, reference)
    actions = denoised(network, seen, reference["state"], reference["noise"])
    assert_near(actions, reference["actions"])


def test_a_camera_that_shows_nothing_may_as_well_be_left_out(
    network: Network, reference: Reference
) -> None:
    inputs = Inputs(
        images=[reference[f"img_{name}"] for name in CAMERAS[:2]],
        shown=[reference[f"mask_{name}"] for name in CAMERAS[:2]],
        ids=reference["tok"][:, :11],
        valid=reference["tokmask"][:, :11],
    )
    with torch.no_grad():
        seen = network.prefix(inputs)
    actions = denoised(network, seen, reference["state"], reference["noise"])
    assert_near(actions, reference["actions"])


@torch.no_grad()
def test_the_prefix_gives_the_same_keys_whether_or_not_its_output_is_asked_for(
    network: Network, reference: Reference
) -> None:
    inputs = Inputs(
        images=[reference["img_base_0_rgb"]],
        shown=[torch.tensor([True, True])],
        ids=reference["tok"][:, :11],
        valid=reference["tokmask"][:, :11],
    )
    short, whole = network.prefix(inputs), network.prefix(inputs, output=True)
    for one, two in zip(short.seen, whole.seen, strict=True):
        torch.testing.assert_close(one, two)
    assert whole.hidden is not None
    last = whole.hidden[1][whole.valid[1]].mean(0)
    torch.testing.assert_close(whole.mean()[1], last)
    with pytest.raises(RuntimeError, match="decoded without its output"):
        short.mean()


@pytest.mark.parametrize(
    ("adaptive", "parameters", "tensors"),
    [(False, 3_238_048_528, 776), (True, 3_353_433_872, 811)],
)
def test_full_size_has_the_published_parameters(
    adaptive: bool, parameters: int, tensors: int
) -> None:
    with torch.device("meta"):
        network = Network(presets.published(adaptive=adaptive), nn.Identity())
    assert sum(one.numel() for one in network.parameters()) == parameters
    assert len([name for name in network.state_dict() if name != "imitated"]) == tensors


def test_sizes_of_the_published_checkpoint_follow_from_its_tensors() -> None:
    for adaptive in (False, True):
        full = presets.published(adaptive=adaptive)
        with torch.device("meta"):
            state = Network(full, nn.Identity()).state_dict()
        assert architecture_of(state, adaptive=adaptive, vision_heads=None) == full


def native() -> Any:  # noqa: ANN401 - transformers leaves its models untyped
    """Return pi0 of transformers, of random weights and tiny sizes."""
    from transformers import PI0Config, PI0ForConditionalGeneration

    text = {
        "model_type": "gemma",
        "hidden_size": 64,
        "num_hidden_layers": 3,
        "intermediate_size": 96,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "vocab_size": 300,
    }
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "intermediate_size": 48,
        "num_attention_heads": 4,
        "patch_size": 14,
        "image_size": 56,
        "vision_use_head": False,
    }
    config = PI0Config(
        vlm_config={
            "model_type": "paligemma",
            "text_config": text,
            "vision_config": vision,
            "projection_dim": 64,
            "image_token_id": 300,
        },
        dit_config={**text, "hidden_size": 48, "intermediate_size": 80},
        chunk_size=5,
    )
    model = PI0ForConditionalGeneration(config).eval()
    random = torch.Generator().manual_seed(0)
    for name, one in model.named_parameters():
        scale = 0.5 if one.dim() < 2 else one[0].numel() ** -0.5
        nn.init.normal_(one, std=1.0 if "embed_tokens" in name else scale, generator=random)
    return model


def test_transformers_pi0_acts_alike_on_the_same_weights(tmp_path: Path) -> None:
    import safetensors.torch as tensor_files

    theirs = native()
    state: Mapping[str, Tensor] = theirs.state_dict()
    tensor_files.save_file(dict(state), str(tmp_path / "model.safetensors"))
    (tmp_path / "config.json").write_text(json.dumps(theirs.config.to_dict()))
    ours = loaded(tmp_path, adaptive=False)

    random = torch.Generator().manual_seed(1)
    images = torch.rand((2, 2, 3, 56, 56), generator=random) * 2 - 1
    ids = torch.randint(1, 300, (2, 7), generator=random)
    valid = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    noise = torch.randn((2, 5, 32), generator=random)
    robot = torch.randn((2, 32), generator=random)
    patches = torch.full((2, 2 * 16), 300)
    whole = torch.cat([torch.ones_like(patches), valid.long()], 1)
    expected = theirs.sample_actions(
        state=robot,
        input_ids=torch.cat([patches, ids], 1),
        pixel_values=images,
        noise=noise,
        attention_mask=whole,
        pixel_attention_mask=torch.ones(2, 2, dtype=torch.bool),
        num_steps=10,
    )
    shown = [torch.ones(2, dtype=torch.bool)] * 2
    with torch.no_grad():
        seen = ours.prefix(Inputs(list(images.unbind(1)), shown, ids, valid))
    assert_near(denoised(ours, seen, robot, noise), expected)
