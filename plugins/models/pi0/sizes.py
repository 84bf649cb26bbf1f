"""Sizes of a network that a checkpoint's tensors tell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rlvla.plugins.models.pi0.interface import NAMES
from rlvla.plugins.models.pi0.layouts import EMBEDDING
from rlvla.plugins.models.pi0.presets import Architecture, Stream, Tower, published

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_VISION = "paligemma_with_expert.paligemma.model.vision_tower.vision_model."
_LANGUAGE = "paligemma_with_expert.paligemma.model.language_model."
_EXPERT = "paligemma_with_expert.gemma_expert.model."


def architecture_of(
    state: Mapping[str, Tensor], *, adaptive: bool, vision_heads: int | None
) -> Architecture:
    """Return the sizes of the network with these tensors, by openpi's names.

    Raise ValueError if a tensor that tells is missing, or the other kind of pi is there.
    """
    _refuse_other(state, adaptive=adaptive)
    width, _, patch, _ = _shape(state, f"{_VISION}embeddings.patch_embedding.weight")
    patches, _ = _shape(state, f"{_VISION}embeddings.position_embedding.weight")
    hidden, _ = _shape(state, f"{_VISION}encoder.layers.0.mlp.fc1.weight")
    inner, _ = _shape(state, f"{_LANGUAGE}layers.0.self_attn.q_proj.weight")
    head_width, _ = _shape(state, f"{_LANGUAGE}layers.0.self_attn.k_proj.weight")
    _, action_dim = _shape(state, "action_in_proj.weight")
    return Architecture(
        adaptive=adaptive,
        image=math.isqrt(patches) * patch,
        patch=patch,
        vision=Tower(
            width, _depth(state, f"{_VISION}encoder."), _heads(width, vision_heads), hidden
        ),
        depth=_depth(state, _LANGUAGE),
        heads=inner // head_width,
        head_width=head_width,
        language=_stream(state, _LANGUAGE),
        expert=_stream(state, _EXPERT),
        vocabulary=_shape(state, EMBEDDING)[0],
        action_dim=action_dim,
    )


def _refuse_other(state: Mapping[str, Tensor], *, adaptive: bool) -> None:
    if ("time_mlp_in.weight" in state) != adaptive and "action_in_proj.weight" in state:
        raise ValueError(
            f"checkpoint is of {NAMES[not adaptive]}, not of {NAMES[adaptive]}: "
            f"write type: {NAMES[not adaptive]}"
        )


def _heads(width: int, stated: int | None) -> int:
    full = published(adaptive=False).vision
    if stated is None and width != full.width:
        raise ValueError(
            f"checkpoint does not tell how many heads its vision tower of width {width} has; "
            'add "rlvla": {"vision_heads": N} to its config.json'
        )
    return stated or full.heads


def _stream(state: Mapping[str, Tensor], prefix: str) -> Stream:
    hidden, width = _shape(state, f"{prefix}layers.0.mlp.gate_proj.weight")
    return Stream(width, hidden)


def _depth(state: Mapping[str, Tensor], prefix: str) -> int:
    start = f"{prefix}layers."
    return len({name[len(start) :].split(".")[0] for name in state if name.startswith(start)})


def _shape(state: Mapping[str, Tensor], name: str) -> tuple[int, ...]:
    if name not in state:
        raise ValueError(
            f"checkpoint has no tensor {name!r} under the names of openpi, lerobot or "
            "transformers: it is no pi0 or pi0.5"
        )
    return tuple(state[name].shape)
