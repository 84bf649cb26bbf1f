"""The network with parallel decoding: empty slots that see everything, answered in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from rlvla.plugins.models.openvla.decoder import Places, decode
from rlvla.plugins.models.openvla.network import Network

if TYPE_CHECKING:
    from torch import Tensor, nn

    from rlvla.plugins.models.openvla.network import Sequence
    from rlvla.plugins.models.openvla.presets import Architecture
    from rlvla.plugins.models.openvla_oft.heads import ActionHead, ProprioProjector

EOS = 2


class ParallelNetwork(Network):
    """OpenVLA whose tokens all see each other, with OFT's heads if they are given.

    Without an action head, the output layer tells the bins; with one it never runs and is frozen.
    """

    def __init__(
        self,
        architecture: Architecture,
        value_head: nn.Module,
        action_head: ActionHead | None,
        proprio_projector: ProprioProjector | None,
    ) -> None:
        super().__init__(architecture, value_head)
        self.action_head = action_head
        self.proprio_projector = proprio_projector
        if action_head is not None:
            self.language_model.lm_head.requires_grad_(requires_grad=False)

    def answers(self, prefix: Sequence, slots: int) -> Tensor:
        """Return the hidden states [B, slots, width] that stand for as many slots.

        Each is that of the position before: the first comes from the end of the prompt. Slots
        are zeros and an end of sequence follows them, as in training.
        """
        rows, _, width = prefix.embeddings.shape
        end = self.embed(torch.full((rows, 1), EOS, device=prefix.positions.device))
        sequence = prefix.followed_by(torch.cat([end.new_zeros(rows, slots, width), end], 1))
        places = Places(sequence.positions, sequence.valid[:, None, None])
        hidden = decode(self.language_model, sequence.embeddings, places, last=slots + 2)
        return hidden[:, :slots]
