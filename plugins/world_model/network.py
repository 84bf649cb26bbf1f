"""The network that predicts what an action shows and pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlvla.plugins.models.shards import MODEL
from rlvla.plugins.models.tensors import read_tensors, refuse_misfit, write_tensors
from rlvla.plugins.world_model.description import CELL

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.plugins.world_model.description import Description

CHOICES = 3
"""What a pixel may show: what it does, what it did at first, a new colour."""


class Seen(NamedTuple):
    """What a prediction begins with; B rows."""

    first: Tensor
    """The images at the episode's start: float32 [B, K, H, W] in [0, 1], cameras on top of each
    other. They remember what is hidden by now."""
    images: Tensor
    """The present images, as `first`."""
    proprio: Tensor
    """Float32 [B, P]."""
    words: Tensor
    """Float32 [B, V]: which words of the vocabulary the instruction has."""


class Predicted(NamedTuple):
    """What comes of an action."""

    images: Tensor
    """Float32 [B, K, H, W] in [0, 1]."""
    proprio: Tensor
    """Float32 [B, P]."""
    reward: Tensor
    """Float32 [B, 2]: of an action that does not achieve the task, and of one that does."""
    success: Tensor
    """Float32 [B]: the log-odds that the action achieves it."""


class Network(nn.Module):
    """Motion of the robot, then a picture of it, then a judgement of both."""

    def __init__(self, description: Description) -> None:
        super().__init__()
        self.motion = Motion(description)
        self.painter = Painter(description)
        self.judge = Judge(description)

    def forward(self, seen: Seen, action: Tensor) -> Predicted:
        """Predict what `action` [B, D] leads to; each part learns from its own errors alone."""
        proprio = self.motion(seen.proprio, action)
        images = self.painter(seen, action, proprio.detach())
        reward, success = self.judge(seen, action, images.detach(), proprio.detach())
        return Predicted(images, proprio, reward, success)


class Motion(nn.Module):
    """Proprioception after an action: what it was, plus a change."""

    spread: Tensor
    """Float32 [P]: of the changes that were recorded."""

    def __init__(self, description: Description) -> None:
        super().__init__()
        spec, width = description.spec, description.sizes.width
        self.change = _mlp(spec.proprio + spec.action_dim, width, spec.proprio)
        self.register_buffer("spread", torch.ones(spec.proprio))

    def forward(self, proprio: Tensor, action: Tensor) -> Tensor:
        """Return float32 [B, P]."""
        change: Tensor = self.change(torch.cat([proprio, action], 1))
        return proprio + self.spread * change


class Painter(nn.Module):
    """Images after an action: of each pixel a mixture of what it shows now, of what it showed at
    the episode's start and of a new colour. What nothing moves over thus stays sharp for ever."""

    def __init__(self, description: Description) -> None:
        super().__init__()
        spec, sizes, self.cameras = description.spec, description.sizes, description.cameras
        self.where = _mlp(spec.proprio, sizes.width, 2 * sizes.points)
        self.extent = nn.Parameter(torch.linspace(-2.5, -0.5, sizes.points))
        self.inward = nn.Conv2d(2 * description.cell + 3 * sizes.points, sizes.width, 1)
        self.given = nn.Linear(2 * spec.proprio + spec.action_dim, sizes.width)
        self.blocks = nn.ModuleList(_Block(sizes.width) for _ in range(sizes.depth))
        self.parts = description.cell, CHOICES * self.cameras * CELL**2
        self.outward = nn.Conv2d(sizes.width, sum(self.parts), 1)

    def forward(self, seen: Seen, action: Tensor, proprio: Tensor) -> Tensor:
        """Return float32 [B, K, H, W]; `proprio` is that after the action."""
        given = self.given(torch.cat([seen.proprio, proprio, action], 1))
        points = self.where(proprio).view(len(proprio), -1, 2)
        maps = _cells(seen.first), _cells(seen.images)
        around = _around(points, self.extent.exp(), _places(maps[0]))
        features: Tensor = self.inward(torch.cat([*maps, around], 1))
        features = functional.relu(features + given[:, :, None, None])
        for block in self.blocks:
            features = block(features)
        painted, wishes = self.outward(features).split(self.parts, 1)
        colours = functional.pixel_shuffle(painted, CELL).sigmoid()
        wishes = functional.pixel_shuffle(wishes, CELL)
        shares = wishes.view(-1, self.cameras, CHOICES, *wishes.shape[2:]).softmax(2)
        now, then, new = shares.repeat_interleave(3, 1).unbind(2)
        images: Tensor = now * seen.images + then * seen.first + new * colours
        return images


class Judge(nn.Module):
    """Reward and success of an action, told from how far the robot is from what matters.

    What matters are the expected places of heat maps (a spatial softmax; Levine et al. 2016,
    arXiv 1504.00702), which the instruction's words steer. Where the robot is in the images is a
    linear map of its proprioception, another one for each place.
    """

    usual: Tensor
    """Float32 [2], as `Predicted.reward`: the mean of the recorded rewards."""
    spread: Tensor
    """Float32 [2], their standard deviation."""

    def __init__(self, description: Description) -> None:
        super().__init__()
        spec, sizes, words = description.spec, description.sizes, len(description.words)
        self.inward = nn.Conv2d(2 * description.cell + 2, sizes.width, 1)
        self.steer = nn.Linear(words, 2 * sizes.width)
        self.inner = nn.Conv2d(sizes.width, sizes.width, 3, padding=1)
        self.heat = nn.Conv2d(sizes.width, sizes.points, 1)
        self.robot = nn.Linear(spec.proprio, 2 * sizes.points)
        numbers = 4 * sizes.points + 2 * spec.proprio + spec.action_dim + words
        self.verdict = _mlp(numbers, 2 * sizes.width, 3)
        self.register_buffer("usual", torch.zeros(2))
        self.register_buffer("spread", torch.ones(2))

    def forward(
        self, seen: Seen, action: Tensor, images: Tensor, proprio: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return rewards [B, 2] and the log-odds of success [B]."""
        scale, shift = self.steer(seen.words)[:, :, None, None].chunk(2, 1)
        maps = _cells(seen.first), _cells(images)
        places = _places(maps[0]).expand(len(images), -1, -1, -1)
        features = self.inward(torch.cat([*maps, places], 1))
        features = functional.relu(features * (1 + scale) + shift)
        matters = _expected(self.heat(functional.relu(self.inner(features))))
        before, after = (matters - self._robot(one) for one in (seen.proprio, proprio))
        ways = [after.flatten(1), _length(before), _length(after)]
        verdict: Tensor = self.verdict(
            torch.cat([*ways, seen.proprio, proprio, action, seen.words], 1)
        )
        return self.usual + self.spread * verdict[:, :2], verdict[:, 2]

    def _robot(self, proprio: Tensor) -> Tensor:
        """Return where the robot is for each place that matters, [B, N, 2]."""
        where: Tensor = self.robot(proprio).view(len(proprio), -1, 2)
        return where


class _Block(nn.Module):
    """Two convolutions, added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        change: Tensor = self.second(functional.relu(self.first(features)))
        return functional.relu(features + change)


def _mlp(inputs: int, width: int, outputs: int) -> nn.Sequential:
    first, second = nn.Linear(inputs, width), nn.Linear(width, width)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Linear(width, outputs))


def _cells(images: Tensor) -> Tensor:
    """Return images [B, K, H, W] as one vector a cell, [B, K * CELL², H / CELL, W / CELL]."""
    return functional.pixel_unshuffle(images, CELL) - 0.5


def _around(points: Tensor, extent: Tensor, places: Tensor) -> Tensor:
    """Return how near each cell is to points [B, N, 2] of some extent [N], and on which side.

    [B, 3 * N, h, w]: a Gaussian of the distance, and its product with the offsets.
    """
    offset = (places - points[..., None, None]) / extent[:, None, None, None]
    near = (-0.5 * offset.square().sum(2, keepdim=True)).exp()
    return torch.cat([near, near * offset], 2).flatten(1, 2)


def _length(ways: Tensor) -> Tensor:
    """Return the lengths of vectors [B, N, 2], [B, N]."""
    linalg = cast("Any", torch.linalg)  # whose functions torch leaves untyped
    length: Tensor = linalg.vector_norm(ways, dim=2)
    return length


def _expected(heat: Tensor) -> Tensor:
    """Return the expected place of each heat map [B, N, h, w], [B, N, 2]."""
    return heat.flatten(2).softmax(2) @ _places(heat).flatten(1).T


def _places(maps: Tensor) -> Tensor:
    """Return the coordinates of the cells of maps [B, ..., h, w], in [-1, 1], [2, h, w]."""
    rows, columns = (torch.linspace(-1, 1, side, device=maps.device) for side in maps.shape[-2:])
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))


def load(folder: Path, description: Description) -> Network:
    """Build the network with the weights in a folder; raise ValueError unless they fit."""
    network, found = Network(description), read_tensors(folder)
    refuse_misfit(found, network.state_dict(), folder)
    network.load_state_dict(found)
    return network.eval()


def save(network: Network, folder: Path) -> None:
    """Write the weights that `load` reads."""
    write_tensors(network.state_dict(), folder / MODEL)
