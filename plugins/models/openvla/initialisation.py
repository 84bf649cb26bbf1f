"""First weights of a network that learns from nothing, which the published ones do not tell.

Beside what lets an image through (see `priors`), neighbouring action bins have similar weights, so
that what moves one moves the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from rlvla.plugins.models.openvla.presets import BINS
from rlvla.plugins.models.priors import slopes, smooth, spread, waves

if TYPE_CHECKING:
    from torch import Tensor

    from rlvla.plugins.models.openvla.network import Network


@torch.no_grad()
def initialise(network: Network) -> None:
    """Set all weights but the value head's, from torch's generator."""
    backbone, language, projector = (
        network.vision_backbone,
        network.language_model,
        network.projector,
    )
    for part in (backbone, language, projector):
        spread(part)
    for layer in (projector.fc1, projector.fc2, projector.fc3):
        layer.weight.mul_(1.4)  # makes up for what the GELU between them takes away
    language.lm_head.weight.mul_(0.2)
    embedding = language.model.embed_tokens.weight
    nn.init.normal_(embedding, std=0.2)
    for rows in (language.lm_head.weight, embedding):
        rows[network.architecture.bins] = smooth(BINS, rows.shape[1]) * rows.std()
    for tower in (backbone.featurizer, backbone.fused_featurizer):
        filters = tower.patch_embed.proj
        filters.weight.copy_(slopes(filters.out_channels, network.architecture.patch))
        nn.init.zeros_(cast("Tensor", filters.bias))
        tower.pos_embed[0] = waves(*network.architecture.grid, tower.pos_embed.shape[-1])
    nn.init.normal_(backbone.featurizer.cls_token, std=0.02)
    nn.init.normal_(backbone.featurizer.reg_token, std=0.02)
