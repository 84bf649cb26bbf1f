"""First weights of a network that learns from nothing; see `priors`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from rlvla.plugins.models.pi0.gemma import AdaptiveNorm
from rlvla.plugins.models.pi0.tokenizer import NUMBERS, numbers
from rlvla.plugins.models.priors import slopes, smooth, spread, waves

if TYPE_CHECKING:
    from rlvla.plugins.models.pi0.network import Network


@torch.no_grad()
def initialise(network: Network) -> None:
    """Set all weights but the heads', from torch's generator.

    Gates begin at 1 and not at 0, where an adaptive norm's own weights put them: an expert that is
    closed at first sees no image before it has learned to. Neighbouring bins of a state, which
    pi0.5 reads, have similar embeddings.
    """
    paligemma = network.paligemma_with_expert.paligemma
    spread(network.paligemma_with_expert)
    for name, module in network.named_children():
        if name.startswith(("action_", "state_", "time_")):
            spread(module)
    network.action_out_proj.weight.mul_(0.2)
    words, width = paligemma.lm_head.weight, paligemma.lm_head.embedding_dim
    nn.init.normal_(words, std=1 / math.sqrt(width))
    if network.architecture.adaptive:
        words[numbers()] = smooth(len(NUMBERS), width) / math.sqrt(width)
    embeddings = paligemma.model.vision_tower.vision_model.embeddings
    filters, places = embeddings.patch_embedding, embeddings.position_embedding.weight
    side = network.architecture.image // network.architecture.patch
    filters.weight.copy_(slopes(filters.out_channels, network.architecture.patch))
    nn.init.zeros_(cast("Tensor", filters.bias))
    places.copy_(waves(side, side, places.shape[-1]))
    for module in network.modules():
        if isinstance(module, AdaptiveNorm):
            _open(module)


def _open(norm: AdaptiveNorm) -> None:
    nn.init.zeros_(norm.dense.weight)
    gate = norm.dense.bias.view(3, -1)[2]
    nn.init.ones_(gate)
