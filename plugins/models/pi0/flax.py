"""Names and shapes of openpi's JAX arrays, brought to those of its PyTorch files.

Each layer's arrays are one array there, with the layers as first axis, and heads are axes of their
own (openpi's `gemma.py` and `siglip.py`). Letters below: D width, F width of an MLP, N heads,
H head width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from rlvla.plugins.models.pi0.layouts import EMBEDDING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

Change: TypeAlias = "Callable[[Tensor], Tensor]"
Rules: TypeAlias = "dict[str, tuple[tuple[str, Change], ...]]"
"""What becomes of an array: the tensors that are made of it, and how."""

LAYER = "{layer}"
"""In the name of a tensor: the array has one for each layer."""
_IMAGE = "PaliGemma/img/"
_BLOCK = f"{_IMAGE}Transformer/encoderblock/"
_ATTENTION = f"{_BLOCK}MultiHeadDotProductAttention_0/"
_TEXT = "PaliGemma/llm/"
_PALIGEMMA = "paligemma_with_expert.paligemma.model."
_VISION = f"{_PALIGEMMA}vision_tower.vision_model."
_STREAMS = {
    "": f"{_PALIGEMMA}language_model.",
    "_1": "paligemma_with_expert.gemma_expert.model.",
}
_LAYERS = ("action_in_proj", "action_out_proj", "state_proj")
_MIXERS = ("action_time_mlp_in", "action_time_mlp_out", "time_mlp_in", "time_mlp_out")
_QUERY = f"{_ATTENTION}query/kernel"


def translated(name: str, array: Tensor) -> dict[str, Tensor]:
    """Return the tensors of openpi's PyTorch files that an array is; a stranger keeps its name."""
    found: dict[str, Tensor] = {}
    for target, change in RULES.get(name, ((name, _same),)):
        if LAYER not in target:
            found[target] = change(array).contiguous()
            continue
        for index, one in enumerate(array):
            found[target.replace(LAYER, str(index))] = change(one).contiguous()
    return found


def vision_heads(outline: Mapping[str, Tensor]) -> int | None:
    """Return how many heads the vision tower has: its queries are [layers, D, N, H]."""
    return outline[_QUERY].shape[2] if _QUERY in outline else None


def _same(x: Tensor) -> Tensor:
    return x


def _turned(x: Tensor) -> Tensor:
    """Map [in, out] to [out, in]."""
    return x.transpose(0, 1)


def _split_out(x: Tensor) -> Tensor:
    """Map [D, N, H] to [N * H, D]."""
    return x.flatten(1).transpose(0, 1)


def _split_in(x: Tensor) -> Tensor:
    """Map [N, H, D] to [D, N * H]."""
    return x.flatten(0, 1).transpose(0, 1)


def _queries(x: Tensor) -> Tensor:
    """Map [N, D, H] to [N * H, D]."""
    return x.transpose(1, 2).flatten(0, 1)


def _dense(source: str, target: str) -> Rules:
    return {
        f"{source}kernel": ((f"{target}weight", _turned),),
        f"{source}bias": ((f"{target}bias", _same),),
    }


def _norm(source: str, target: str) -> Rules:
    return {
        f"{source}scale": ((f"{target}weight", _same),),
        f"{source}bias": ((f"{target}bias", _same),),
    }


def _gemma_norm(source: str, target: str) -> Rules:
    """Return the rules of a norm with a weight, or whose scale follows from a condition."""
    plain: Rules = {f"{source}scale": ((f"{target}weight", _same),)}
    return plain | _dense(f"{source}Dense_0/", f"{target}dense.")


def _tower() -> Rules:
    patches, layer = f"{_VISION}embeddings.patch_embedding.", f"{_VISION}encoder.layers.{LAYER}."
    places = f"{_VISION}embeddings.position_embedding.weight"
    rules: Rules = {
        f"{_IMAGE}embedding/kernel": ((f"{patches}weight", lambda x: x.permute(3, 2, 0, 1)),),
        f"{_IMAGE}embedding/bias": ((f"{patches}bias", _same),),
        f"{_IMAGE}pos_embedding": ((places, lambda x: x.flatten(0, 1)),),
        f"{_ATTENTION}out/kernel": ((f"{layer}self_attn.out_proj.weight", _split_in),),
        f"{_ATTENTION}out/bias": ((f"{layer}self_attn.out_proj.bias", _same),),
    }
    for name in ("query", "key", "value"):
        target = f"{layer}self_attn.{name[0]}_proj."
        rules[f"{_ATTENTION}{name}/kernel"] = ((f"{target}weight", _split_out),)
        rules[f"{_ATTENTION}{name}/bias"] = ((f"{target}bias", lambda x: x.flatten()),)
    for index in (0, 1):
        rules |= _norm(f"{_BLOCK}LayerNorm_{index}/", f"{layer}layer_norm{index + 1}.")
        rules |= _dense(f"{_BLOCK}MlpBlock_0/Dense_{index}/", f"{layer}mlp.fc{index + 1}.")
    rules |= _norm(f"{_IMAGE}Transformer/encoder_norm/", f"{_VISION}post_layernorm.")
    return rules | _dense(f"{_IMAGE}head/", f"{_PALIGEMMA}multi_modal_projector.linear.")


def _gemma(stream: str) -> Rules:
    """Return the rules of a Gemma; `stream` is what its names in JAX end in."""
    source, target = f"{_TEXT}layers/", f"{_STREAMS[stream]}layers.{LAYER}."
    rules: Rules = {
        f"{source}attn/q_einsum{stream}/w": ((f"{target}self_attn.q_proj.weight", _queries),),
        f"{source}attn/kv_einsum{stream}/w": (
            (f"{target}self_attn.k_proj.weight", lambda x: _queries(x[0])),
            (f"{target}self_attn.v_proj.weight", lambda x: _queries(x[1])),
        ),
        f"{source}attn/attn_vec_einsum{stream}/w": (
            (f"{target}self_attn.o_proj.weight", _split_in),
        ),
        f"{source}mlp{stream}/gating_einsum": (
            (f"{target}mlp.gate_proj.weight", lambda x: _turned(x[0])),
            (f"{target}mlp.up_proj.weight", lambda x: _turned(x[1])),
        ),
        f"{source}mlp{stream}/linear": ((f"{target}mlp.down_proj.weight", _turned),),
    }
    rules |= _gemma_norm(f"{source}pre_attention_norm{stream}/", f"{target}input_layernorm.")
    rules |= _gemma_norm(f"{source}pre_ffw_norm{stream}/", f"{target}post_attention_layernorm.")
    return rules | _gemma_norm(f"{_TEXT}final_norm{stream}/", f"{_STREAMS[stream]}norm.")


def _all() -> Rules:
    rules = _tower() | {f"{_TEXT}embedder/input_embedding": ((EMBEDDING, _same),)}
    for stream in _STREAMS:
        rules |= _gemma(stream)
    for name in (*_LAYERS, *_MIXERS):
        rules |= _dense(f"{name}/", f"{name}.")
    return rules


RULES = _all()
