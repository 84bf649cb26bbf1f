"""openpi's JAX checkpoints: `parity/pi0_jax.tar.gz` and `pi05_jax.tar.gz` were written by orbax.

They hold `arrays` of this file, saved by `PyTreeCheckpointer` of orbax-checkpoint 0.12.8; those of
pi0 as openpi's training saves them (a level `value` below each name), those of pi0.5 in bfloat16.
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch.nn import functional

from rlvla.core.types import SimulatorSpec
from rlvla.plugins.models.pi0 import Pi0, Pi05
from rlvla.plugins.models.pi0.orbax import Arrays

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from rlvla.plugins.models.pi0.network import Network

pytestmark = pytest.mark.skipif(
    find_spec("tensorstore") is None, reason="arrays of JAX need tensorstore (extra jax)"
)

FIXTURES = Path(__file__).parent / "parity"
ROBOT = SimulatorSpec(
    cameras={"base_0_rgb": (4, 4)},
    proprio=3,
    action_low=(-1.0,) * 2,
    action_high=(1.0,) * 2,
    max_steps=10,
    control_hz=5.0,
)
LAYERS, HEADS, HEAD, ACTIONS, WORDS = 2, 2, 8, 32, 20
IMAGE, PATCH, VISION, VISION_HIDDEN = 4, 2, 8, 12
WIDTHS, HIDDEN = {"": 16, "_1": 12}, {"": 20, "_1": 14}
STATISTICS = (
    '{"norm_stats": {"state": {"mean": [0,0,0], "std": [1,1,1], "q01": [0,0,0], "q99": [1,1,1]},'
    ' "actions": {"mean": [0,0], "std": [1,1], "q01": [0,0], "q99": [1,1]}}}'
)


def tower() -> dict[str, tuple[int, ...]]:
    """Return names and shapes of SigLIP in openpi's JAX code."""
    block, attention = "Transformer/encoderblock/", "MultiHeadDotProductAttention_0/"
    head = (HEADS, VISION // HEADS)
    layers: dict[str, tuple[int, ...]] = {
        f"{attention}out/kernel": (*head, VISION),
        f"{attention}out/bias": (VISION,),
        "MlpBlock_0/Dense_0/kernel": (VISION, VISION_HIDDEN),
        "MlpBlock_0/Dense_0/bias": (VISION_HIDDEN,),
        "MlpBlock_0/Dense_1/kernel": (VISION_HIDDEN, VISION),
        "MlpBlock_0/Dense_1/bias": (VISION,),
    }
    for name in ("query", "key", "value"):
        layers[f"{attention}{name}/kernel"] = (VISION, *head)
        layers[f"{attention}{name}/bias"] = head
    for name in ("LayerNorm_0", "LayerNorm_1"):
        layers |= {f"{name}/scale": (VISION,), f"{name}/bias": (VISION,)}
    return {f"{block}{name}": (LAYERS, *shape) for name, shape in layers.items()} | {
        "Transformer/encoder_norm/scale": (VISION,),
        "Transformer/encoder_norm/bias": (VISION,),
        "embedding/kernel": (PATCH, PATCH, 3, VISION),
        "embedding/bias": (VISION,),
        "pos_embedding": (1, (IMAGE // PATCH) ** 2, VISION),
        "head/kernel": (VISION, WIDTHS[""]),
        "head/bias": (WIDTHS[""],),
    }


def norm(name: str, width: int, *, adaptive: bool) -> dict[str, tuple[int, ...]]:
    if not adaptive:
        return {f"{name}/scale": (width,)}
    return {f"{name}/Dense_0/kernel": (width, 3 * width), f"{name}/Dense_0/bias": (3 * width,)}


def gemma(stream: str, *, adaptive: bool) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of a Gemma in openpi's JAX code."""
    width, hidden = WIDTHS[stream], HIDDEN[stream]
    layers: dict[str, tuple[int, ...]] = {
        f"attn/q_einsum{stream}/w": (HEADS, width, HEAD),
        f"attn/kv_einsum{stream}/w": (2, 1, width, HEAD),
        f"attn/attn_vec_einsum{stream}/w": (HEADS, HEAD, width),
        f"mlp{stream}/gating_einsum": (2, width, hidden),
        f"mlp{stream}/linear": (hidden, width),
    }
    for name in ("pre_attention_norm", "pre_ffw_norm"):
        layers |= norm(f"{name}{stream}", width, adaptive=adaptive)
    final = norm(f"final_norm{stream}", width, adaptive=adaptive)
    return final | {f"layers/{name}": (LAYERS, *shape) for name, shape in layers.items()}


def shapes(*, adaptive: bool) -> dict[str, tuple[int, ...]]:
    width = WIDTHS["_1"]
    text = {"embedder/input_embedding": (WORDS, WIDTHS[""])}
    text |= gemma("", adaptive=False) | gemma("_1", adaptive=adaptive)
    found = {f"PaliGemma/img/{name}": shape for name, shape in tower().items()}
    found |= {f"PaliGemma/llm/{name}": shape for name, shape in text.items()}
    dense = {"action_in_proj": (ACTIONS, width), "action_out_proj": (width, ACTIONS)}
    if adaptive:
        dense |= {"time_mlp_in": (width, width), "time_mlp_out": (width, width)}
    else:
        dense |= {"state_proj": (ACTIONS, width), "action_time_mlp_in": (2 * width, width)}
        dense |= {"action_time_mlp_out": (width, width)}
    for name, shape in dense.items():
        found |= {f"{name}/kernel": shape, f"{name}/bias": shape[1:]}
    return found


def arrays(*, adaptive: bool) -> dict[str, Tensor]:
    """Return what the files hold."""
    random = np.random.default_rng(0)
    made = {
        name: torch.tensor(random.standard_normal(shape), dtype=torch.float32)
        for name, shape in sorted(shapes(adaptive=adaptive).items())
    }
    return {name: one.bfloat16().float() if adaptive else one for name, one in made.items()}


def unpacked(path: Path, *, adaptive: bool) -> Path:
    """Write a checkpoint directory as openpi's JAX code does, with a tokenizer."""
    with tarfile.open(FIXTURES / f"{'pi05' if adaptive else 'pi0'}_jax.tar.gz") as packed:
        packed.extractall(path, filter="data")
    (path / "assets" / "robot").mkdir(parents=True)
    (path / "assets" / "robot" / "norm_stats.json").write_text(STATISTICS)
    words = {"<bos>": 2, "a": 3, "?": 4}
    Tokenizer(WordLevel(words, unk_token="?")).save(str(path / "tokenizer.json"))
    return path


@pytest.fixture(params=[False, True], ids=["pi0", "pi05"])
def options(request: pytest.FixtureRequest, tmp_path: Path) -> Pi0:
    path = unpacked(tmp_path, adaptive=request.param)
    return (Pi05 if request.param else Pi0)(checkpoint=str(path), horizon=5)


def network_of(options: Pi0) -> Network:
    return options.build(ROBOT, seed=0).module


def near(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def layers_of(options: Pi0, stream: str) -> list[tuple[Any, dict[str, Tensor]]]:
    """Return the modules of each layer of a Gemma, with the arrays that they came from."""
    streams = network_of(options).paligemma_with_expert
    gemma_ = streams.gemma_expert.model if stream else streams.paligemma.model.language_model
    beginning = "PaliGemma/llm/layers/"
    content = {
        name.removeprefix(beginning): one
        for name, one in arrays(adaptive=options.adaptive).items()
        if name.startswith(beginning) and ("_1/" in f"{name}/") == bool(stream)
    }
    found = {f"{name}/".replace("_1/", "/")[:-1]: one for name, one in content.items()}
    return [
        (layer, {name: one[index] for name, one in found.items()})
        for index, layer in enumerate(gemma_.layers)
    ]


@torch.no_grad()
@pytest.mark.parametrize("stream", ["", "_1"])
def test_attention_is_the_einsums_of_the_original(options: Pi0, stream: str) -> None:
    x, heads = random(2, 3, WIDTHS[stream]), random(2, 3, HEADS, HEAD)
    for layer, theirs in layers_of(options, stream):
        ours = layer.self_attn
        queries = torch.einsum("btd,ndh->btnh", x, theirs["attn/q_einsum/w"])
        near(ours.q_proj(x).view(2, 3, HEADS, HEAD), queries)
        keys, values = torch.einsum("bsd,ckdh->cbskh", x, theirs["attn/kv_einsum/w"])
        near(ours.k_proj(x), keys[:, :, 0])
        near(ours.v_proj(x), values[:, :, 0])
        mixed = torch.einsum("btnh,nhd->btd", heads, theirs["attn/attn_vec_einsum/w"])
        near(ours.o_proj(heads.flatten(2)), mixed)


@torch.no_grad()
@pytest.mark.parametrize("stream", ["", "_1"])
def test_layers_and_norms_are_those_of_the_original(options: Pi0, stream: str) -> None:
    x = random(2, 3, WIDTHS[stream])
    names = {"pre_attention_norm": "input_layernorm", "pre_ffw_norm": "post_attention_layernorm"}
    for layer, theirs in layers_of(options, stream):
        gate, up = theirs["mlp/gating_einsum"]
        hidden = functional.gelu(x @ gate, approximate="tanh") * (x @ up)
        near(layer.mlp(x), hidden @ theirs["mlp/linear"])
        for name, ours in names.items():
            made = getattr(layer, ours)
            if stream and options.adaptive:
                kernel, bias = theirs[f"{name}/Dense_0/kernel"], theirs[f"{name}/Dense_0/bias"]
                near(made.dense(x), x @ kernel + bias)
            else:
                assert torch.equal(made.weight, theirs[f"{name}/scale"])


@torch.no_grad()
def test_the_tower_is_that_of_the_original(options: Pi0) -> None:
    model = network_of(options).paligemma_with_expert.paligemma.model
    tower_: Any = model.vision_tower.vision_model
    beginning, images = "PaliGemma/img/", random(2, IMAGE, IMAGE, 3)
    content = {
        name.removeprefix(beginning): one
        for name, one in arrays(adaptive=options.adaptive).items()
        if name.startswith(beginning)
    }
    grid = images.view(2, 2, PATCH, 2, PATCH, 3)
    patches = torch.einsum("brpcqi,pqid->brcd", grid, content["embedding/kernel"]).flatten(1, 2)
    ours = tower_.embeddings(images.permute(0, 3, 1, 2))
    near(ours, patches + content["embedding/bias"] + content["pos_embedding"])
    near(
        model.multi_modal_projector(patches),
        patches @ content["head/kernel"] + content["head/bias"],
    )
    assert torch.equal(tower_.post_layernorm.weight, content["Transformer/encoder_norm/scale"])
    block, attention = "Transformer/encoderblock/", "MultiHeadDotProductAttention_0"
    for index, layer in enumerate(tower_.encoder.layers):
        theirs = {
            name.removeprefix(block): one[index]
            for name, one in content.items()
            if name.startswith(block)
        }
        assert torch.equal(layer.layer_norm2.bias, theirs["LayerNorm_1/bias"])
        near(
            layer.mlp.fc2(functional.pad(patches, (0, VISION_HIDDEN - VISION))),
            functional.pad(patches, (0, VISION_HIDDEN - VISION))
            @ theirs["MlpBlock_0/Dense_1/kernel"]
            + theirs["MlpBlock_0/Dense_1/bias"],
        )
        near(layer.self_attn(patches), attended(patches, theirs, attention))


def attended(x: Tensor, theirs: Mapping[str, Tensor], name: str) -> Tensor:
    """Attend as flax does: heads are axes of the kernels."""
    queries, keys, values = (
        torch.einsum("bsd,dnh->bsnh", x, theirs[f"{name}/{part}/kernel"])
        + theirs[f"{name}/{part}/bias"]
        for part in ("query", "key", "value")
    )
    weights = torch.einsum("bsnh,btnh->bnst", queries, keys) / queries.shape[-1] ** 0.5
    mixed = torch.einsum("bnst,btnh->bsnh", weights.softmax(-1), values)
    return (
        torch.einsum("bsnh,nhd->bsd", mixed, theirs[f"{name}/out/kernel"])
        + (theirs[f"{name}/out/bias"])
    )


@torch.no_grad()
def test_what_is_there_once_is_that_of_the_original(options: Pi0) -> None:
    network, content = network_of(options), arrays(adaptive=options.adaptive)
    names = {name.split("/")[0] for name in content if not name.startswith("PaliGemma")}
    assert len(names) == 4 if options.adaptive else 5
    for name in names:
        layer: nn.Module = network.get_submodule(name)
        kernel = content[f"{name}/kernel"]
        x = random(2, len(kernel))
        near(layer(x), x @ kernel + content[f"{name}/bias"])
    embedding = network.paligemma_with_expert.paligemma.lm_head.weight
    assert torch.equal(embedding, content["PaliGemma/llm/embedder/input_embedding"])


def test_a_checkpoint_of_jax_acts_and_is_saved_for_pytorch(options: Pi0, tmp_path: Path) -> None:
    policy = options.build(ROBOT, seed=0)
    rows = {
        "image/base_0_rgb": np.zeros((1, 4, 4, 3), np.uint8),
        "proprio": np.zeros((1, 3), np.float32),
        "instruction": np.zeros((1, 256), np.uint8),
    }
    seeds, heat = np.zeros(1, np.uint64), np.ones(1, np.float32)
    first = policy.act(rows, seeds=seeds, temperature=heat)["action"]
    assert first.shape == (1, 5, 2)
    policy.save(str(tmp_path / "saved"))
    saved = replace(options, checkpoint=str(tmp_path / "saved"), horizon=None)
    again = saved.build(ROBOT, seed=1).act(rows, seeds=seeds, temperature=heat)["action"]
    np.testing.assert_array_equal(first, again)


def test_the_horizon_must_be_told_and_agree(options: Pi0) -> None:
    with pytest.raises(ValueError, match=r"horizon must be the length of the chunks"):
        replace(options, horizon=None).decision_fields(ROBOT)
    (Path(str(options.checkpoint)) / "config.json").write_text('{"action_horizon": 7}')
    assert replace(options, horizon=None).decision_fields(ROBOT)["action"].shape == (7, 2)
    with pytest.raises(ValueError, match="horizon 5 is not that of the checkpoint, 7"):
        options.decision_fields(ROBOT)
    with pytest.raises(ValueError, match="horizon must be at least 1 and of a checkpoint, got 5"):
        Pi0(horizon=5)


def test_the_folder_of_arrays_is_not_the_checkpoint(options: Pi0) -> None:
    path = Path(str(options.checkpoint))
    with pytest.raises(ValueError, match=f"checkpoint must be the directory {path}, not the par"):
        replace(options, checkpoint=str(path / "params")).decision_fields(ROBOT)


def test_the_other_kind_of_pi_is_named(options: Pi0) -> None:
    other, told = (Pi0, "pi05") if options.adaptive else (Pi05, "pi0")
    with pytest.raises(ValueError, match=f"write type: {told}"):
        other(checkpoint=options.checkpoint, horizon=5).build(ROBOT, seed=0)


def test_arrays_that_are_not_whole_are_named(options: Pi0) -> None:
    folder = Path(str(options.checkpoint)) / "params"
    largest = max(folder.rglob("d/*"), key=lambda file: file.stat().st_size)
    content = largest.read_bytes()
    for broken in (content[: len(content) // 2], b""):
        largest.write_bytes(broken)
        with pytest.raises(ValueError, match=r"checkpoint's array .* in .*params cannot be read"):
            options.build(ROBOT, seed=0)
    largest.unlink()
    with pytest.raises(ValueError, match=r"checkpoint's array .* in .*params cannot be read"):
        options.build(ROBOT, seed=0)


def test_arrays_that_are_strangers_or_missing_are_listed(options: Pi0) -> None:
    file = Path(str(options.checkpoint)) / "params" / "_METADATA"
    content = json.loads(file.read_text())
    tree = content["tree_metadata"]
    lost = next(name for name in tree if "action_out_proj" in name and "bias" in name)
    content["tree_metadata"] = {name: one for name, one in tree.items() if name != lost}
    file.write_text(json.dumps(content))
    with pytest.raises(
        ValueError, match=r"does not fit the network: missing: action_out_proj\.bias"
    ):
        options.build(ROBOT, seed=0)
    tree[lost]["key_metadata"][1]["key"] = "no_such_array"
    file.write_text(json.dumps(content | {"tree_metadata": tree}))
    with pytest.raises(
        ValueError, match=r"checkpoint's array params\.no_such_array\.bias.* cannot be"
    ):
        options.build(ROBOT, seed=0)


@pytest.mark.parametrize("driver", ["zarr", "zarr3"])
def test_arrays_in_folders_of_their_own_are_read(options: Pi0, tmp_path: Path, driver: str) -> None:
    content = arrays(adaptive=options.adaptive)
    write(tmp_path / "folders", content, options, driver)
    found = Arrays(tmp_path / "folders")
    assert found.outlined().keys() == content.keys()
    assert all(torch.equal(found.read(name), one) for name, one in content.items())


def write(path: Path, content: Mapping[str, Tensor], options: Pi0, driver: str) -> None:
    """Write arrays as orbax does, each into a folder of its own."""
    library: Any = import_module("tensorstore")
    folder, tree = path / "params", dict[str, Any]()
    folder.mkdir(parents=True)
    for name, one in content.items():
        whole = f"params/{name}" if options.adaptive else f"params/{name}/value"
        tree[name] = {"key_metadata": [{"key": key} for key in whole.split("/")]}
        store = {"driver": "file", "path": f"{folder}/{whole.replace('/', '.')}/"}
        spec = {"driver": driver, "kvstore": store}
        made = library.open(spec, create=True, dtype=library.float32, shape=one.shape).result()
        made.write(one.numpy()).result()
    stated = {"tree_metadata": tree, "use_ocdbt": False, "use_zarr3": driver == "zarr3"}
    (folder / "_METADATA").write_text(json.dumps(stated))


def test_adapters_are_merged(options: Pi0) -> None:
    path = Path(str(options.checkpoint))
    stem = "PaliGemma/llm/layers/attn/q_einsum/"
    first, second = random(LAYERS, HEADS, WIDTHS[""], 3), random(LAYERS, HEADS, 3, HEAD)
    adapters = {f"{stem}lora_a": first, f"{stem}lora_b": second}
    content = arrays(adaptive=options.adaptive) | adapters
    before = network_of(options).state_dict()
    (path / "params").rename(path / "before")
    write(path, content, options, "zarr")
    after = network_of(options).state_dict()
    changed = [name for name, one in after.items() if not torch.equal(one, before[name])]
    name = "paligemma_with_expert.paligemma.model.language_model.layers.{}.self_attn.q_proj.weight"
    assert {name.format(layer) for layer in range(LAYERS)} == {
        one for one in changed if "head" not in one
    }
    for layer in range(LAYERS):
        product = (first[layer] @ second[layer]).transpose(1, 2).flatten(0, 1)
        near(after[name.format(layer)], before[name.format(layer)] + product)
