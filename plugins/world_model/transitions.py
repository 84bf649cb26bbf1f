"""Recorded episodes as tensors, frame after frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from rlvla.plugins.world_model.network import Seen
from rlvla.plugins.world_model.views import joined, words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from rlvla.plugins.world_model.description import Description
    from rlvla.plugins.world_model.recording import Episode

CHANGED = 0.02
"""Least change of a colour, of 1, by which a pixel counts as moved over."""


class Transitions:
    """The frames of all episodes, F of them; the last of an episode has no action."""

    def __init__(self, episodes: Sequence[Episode], description: Description) -> None:
        cameras, nothing = [*description.spec.cameras], np.zeros(description.spec.action_dim)
        frames = [frame for one in episodes for frame in one.frames]
        shown = [frame.observation for frame in frames]
        self.images = torch.stack([joined(one.images, cameras) for one in shown])
        """Uint8 [F, K, H, W]."""
        self.proprio = torch.from_numpy(np.stack([one.proprio for one in shown]))
        """Float32 [F, P]."""
        self.words = torch.stack([words_of(one.instruction, description.words) for one in shown])
        """Float32 [F, V]."""
        actions = [nothing if frame.action is None else frame.action for frame in frames]
        self.action = torch.from_numpy(np.stack(actions).astype(np.float32))
        """Float32 [F, D]."""
        self.reward = torch.tensor([frame.reward for frame in frames])
        """Float32 [F]."""
        self.success = torch.tensor([frame.success for frame in frames])
        """Bool [F]."""
        lengths = torch.tensor([len(one.frames) for one in episodes])
        ends = lengths.cumsum(0)
        self.first = (ends - lengths).repeat_interleave(lengths)
        """Int64 [F]: the first frame of the episode."""
        self.left = ends.repeat_interleave(lengths) - 1 - torch.arange(len(frames))
        """Int64 [F]: actions to come in the episode."""

    def begun(self) -> Tensor:
        """Return the frames that episodes begin with, int64."""
        return (self.first == torch.arange(len(self.first))).nonzero()[:, 0]

    def acted(self) -> Tensor:
        """Return the frames that have an action, int64."""
        return self.left.nonzero()[:, 0]

    def seen(self, at: Tensor) -> Seen:
        """Return frames as the network takes them."""
        first, images = self.shown(self.first[at]), self.shown(at)
        return Seen(first, images, self.proprio[at], self.words[at])

    def shown(self, at: Tensor) -> Tensor:
        """Return the images of frames, float32 [B, K, H, W] in [0, 1]."""
        return self.images[at] / 255

    def moved(self, at: Tensor) -> Tensor:
        """Return which pixels the actions at these frames changed, bool [B, H, W]."""
        return (self.shown(at + 1) - self.shown(at)).abs().amax(1) > CHANGED
