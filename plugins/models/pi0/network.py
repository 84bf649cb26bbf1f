"""The whole network: vision tower, two Gemma streams and the flow's own layers.

Its tensors have the names of openpi's PyTorch files (github.com/Physical-Intelligence/openpi).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlvla.plugins.models.computing import precise, reduced
from rlvla.plugins.models.pi0.gemma import Gemma, Places
from rlvla.plugins.models.pi0.siglip import VisionTower

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.plugins.models.pi0.gemma import KeysValues
    from rlvla.plugins.models.pi0.presets import Architecture

SHORTEST, LONGEST = 4e-3, 4.0
"""Periods of the waves that tell the time of the flow."""


class Projector(nn.Module):
    """One layer from vision features to the language stream's width."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.linear = nn.Linear(architecture.vision.width, architecture.language.width)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, N, vision] to [B, N, language]."""
        out: Tensor = self.linear(x)
        return out


class PaliGemmaModel(nn.Module):
    """Vision tower, projector and the language stream."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.vision_tower = VisionTower(architecture)
        self.multi_modal_projector = Projector(architecture)
        self.language_model = Gemma(architecture, architecture.language, adaptive=False)


class PaliGemma(nn.Module):
    """The vision-language model; its output layer is its embedding, and here only that."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.model = PaliGemmaModel(architecture)
        self.lm_head = nn.Embedding(architecture.vocabulary, architecture.language.width)


class Expert(nn.Module):
    """The action expert; it has no words of its own."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.model = Gemma(architecture, architecture.expert, adaptive=architecture.adaptive)


class Streams(nn.Module):
    """Both Gemmas."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.paligemma = PaliGemma(architecture)
        self.gemma_expert = Expert(architecture)


@dataclass(frozen=True)
class Inputs:
    """What the prefix is made of."""

    images: Sequence[Tensor]
    """One [B, 3, side, side] between -1 and 1 per camera."""
    shown: Sequence[Tensor]
    """One bool [B] per camera: false where it has no image."""
    ids: Tensor
    """Prompts, int64 [B, T]."""
    valid: Tensor
    """Bool [B, T]: false for the padding after short prompts."""


@dataclass(frozen=True)
class Prefix:
    """Images and prompt, decoded: what all steps of the flow look at."""

    seen: Sequence[KeysValues]
    """Of each layer."""
    valid: Tensor
    """Bool [B, P]."""
    hidden: Tensor | None
    """Final hidden states [B, P, width], if they were asked for."""

    def repeated(self, copies: int) -> Prefix:
        """Return each row so many times, in a row."""
        if copies == 1:
            return self
        seen = [
            (keys.repeat_interleave(copies, 0), values.repeat_interleave(copies, 0))
            for keys, values in self.seen
        ]
        return Prefix(seen, self.valid.repeat_interleave(copies, 0), None)

    def mean(self) -> Tensor:
        """Return the mean of the valid tokens' final hidden states, [B, width]."""
        if self.hidden is None:
            raise RuntimeError("the prefix was decoded without its output")
        weight = self.valid[..., None].float()
        return (self.hidden.float() * weight).sum(1) / weight.sum(1)


class Network(nn.Module):
    """pi0 or pi0.5.

    Not part of the published layout are a value head, a head of learned noise if there is one, and
    the number of rows that were imitated.
    """

    imitated: Tensor

    def __init__(
        self,
        architecture: Architecture,
        value_head: nn.Module,
        noise_head: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        width, action_dim = architecture.expert.width, architecture.action_dim
        self.paligemma_with_expert = Streams(architecture)
        self.action_in_proj = nn.Linear(action_dim, width)
        self.action_out_proj = nn.Linear(width, action_dim)
        if architecture.adaptive:
            self.time_mlp_in = nn.Linear(width, width)
            self.time_mlp_out = nn.Linear(width, width)
        else:
            self.state_proj = nn.Linear(action_dim, width)
            self.action_time_mlp_in = nn.Linear(2 * width, width)
            self.action_time_mlp_out = nn.Linear(width, width)
        self.value_head = value_head
        self.noise_head = noise_head
        self.register_buffer("imitated", torch.zeros((), dtype=torch.int64))

    def prefix(self, inputs: Inputs, *, output: bool = False) -> Prefix:
        """Decode images and prompts; a camera without an image takes no positions.

        `output` also computes the final hidden states, which the flow does not need.
        """
        paligemma = self.paligemma_with_expert.paligemma
        features = paligemma.model.vision_tower(inputs.images)
        words = reduced(paligemma.lm_head(inputs.ids)) * math.sqrt(self.architecture.language.width)
        tokens = torch.cat([paligemma.model.multi_modal_projector(features), words], 1)
        patches = [one[:, None].expand(-1, self.architecture.patches) for one in inputs.shown]
        valid = torch.cat([*patches, inputs.valid], 1)
        places = Places(valid.long().cumsum(1) - 1, valid[:, None, None])
        language = paligemma.model.language_model
        if not output:
            return Prefix(language.keys_values(tokens, places), valid, None)
        hidden, seen = language.decode(tokens, places)
        return Prefix(seen, valid, hidden)

    def features(self, prefix: Prefix, state: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """Return the expert's final hidden states of the action tokens, [B, horizon, width].

        `state` [B, action_dim], which pi0.5 has in its prompt; `noisy` actions
        [B, horizon, action_dim] at `time` [B] of the flow, 1 for noise.
        """
        with precise(noisy.device):
            if self.architecture.adaptive:
                condition, tokens = self._condition(time), self.action_in_proj(noisy)
            else:
                condition, tokens = None, self._suffix(state, noisy, time)
        expert = self.paligemma_with_expert.gemma_expert.model
        places = _after(prefix.valid, tokens.shape[1], own_block=not self.architecture.adaptive)
        hidden = expert.follow(reduced(tokens), places, prefix.seen, condition)
        return hidden[:, -noisy.shape[1] :].float()

    def velocity(self, features: Tensor) -> Tensor:
        """Return the velocity of the flow that `features` say, [B, horizon, action_dim]."""
        with precise(features.device):
            velocity: Tensor = self.action_out_proj(features)
        return velocity

    def raw_noise(self, features: Tensor) -> Tensor | None:
        """Return the numbers that learned noise is made of, [B, horizon, action_dim], if it is."""
        if self.noise_head is None:
            return None
        with precise(features.device):
            raw: Tensor = self.noise_head(features)
        return raw

    def _condition(self, time: Tensor) -> Tensor:
        waves = self._waves(time)
        hidden = functional.silu(self.time_mlp_in(waves))
        return functional.silu(self.time_mlp_out(hidden))

    def _suffix(self, state: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """Return the state's token and then those of the actions, [B, 1 + horizon, width]."""
        actions = self.action_in_proj(noisy)
        waves = self._waves(time)[:, None].expand_as(actions)
        mixed = functional.silu(self.action_time_mlp_in(torch.cat([actions, waves], -1)))
        return torch.cat([self.state_proj(state)[:, None], self.action_time_mlp_out(mixed)], 1)

    def _waves(self, time: Tensor) -> Tensor:
        return waves(time, self.architecture.expert.width).float()


def waves(time: Tensor, width: int) -> Tensor:
    """Return sines, then cosines of the times [B] of a flow, float64 [B, width]."""
    share = torch.linspace(0, 1, width // 2, dtype=torch.float64, device=time.device)
    period = SHORTEST * (LONGEST / SHORTEST) ** share
    angles = time.double()[:, None] * (2 * math.pi / period)
    return torch.cat([angles.sin(), angles.cos()], 1)


def _after(prefix: Tensor, length: int, *, own_block: bool) -> Places:
    """Return the places of tokens after a prefix whose valid tokens are bool [B, P].

    `own_block`: the first of them sees none of the others.
    """
    batch = len(prefix)
    steps = torch.arange(length, device=prefix.device)
    positions = prefix.sum(1, keepdim=True) + steps
    seen = prefix[:, None].expand(-1, length if own_block else 1, -1)
    others = torch.ones(seen.shape[1], length, dtype=torch.bool, device=prefix.device)
    if own_block:
        others[0, 1:] = False
    mask = torch.cat([seen, others.expand(batch, -1, -1)], -1)
    return Places(positions, mask[:, None])
