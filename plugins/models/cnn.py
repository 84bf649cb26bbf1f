"""The model `cnn`: a Gaussian policy and a critic on the features of a small convolution net."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.models.decisions import gaussian_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from rlvla.core.types import Arrays, Field, SimulatorSpec
    from rlvla.plugins.models.gaussian import GaussianPolicy

SMALLEST = 20
"""Height and width from which on both convolutions have something to see."""


@dataclass(frozen=True, kw_only=True)
class CNN:
    """Sees the images of all cameras, stacked in depth; they must be of one size."""

    channels: int = 16
    """Of the first convolution (8x8, stride 4); the second (4x4, stride 2) has twice as many."""
    width: int = 128
    """Features that actor and critic share."""
    log_std: float = 0.0
    """Logarithm of the deviation at first; it is learned, and the same for all observations."""
    checkpoint: str | None = None
    """Directory of a saved policy to begin with."""

    def __post_init__(self) -> None:
        for name in ("channels", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def decision_fields(self, spec: SimulatorSpec) -> Mapping[str, Field]:
        """Return the fields of a row that `act` writes; raise ValueError for unfit cameras."""
        sizes = set(spec.cameras.values())
        if len(sizes) != 1 or min(min(size) for size in sizes) < SMALLEST:
            raise ValueError(
                f"cnn needs cameras of one size, at least {SMALLEST}x{SMALLEST}, "
                f"this simulator has {dict(spec.cameras)}"
            )
        return gaussian_fields(spec)

    def build(self, spec: SimulatorSpec, *, seed: int) -> GaussianPolicy:
        """Build the policy from `seed`, or from the checkpoint."""
        import torch
        from torch import nn

        from rlvla.plugins.models.actor_critic import Parts, scaled
        from rlvla.plugins.models.gaussian import GaussianPolicy, Network

        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            trunk = self._trunk(len(spec.cameras), next(iter(spec.cameras.values())))
            actor = scaled(nn.Linear(self.width, spec.action_dim), 0.01)
            critic = scaled(nn.Linear(self.width, 1), 1.0)
        cameras = [*spec.cameras]
        parts = Parts(lambda rows: _images(rows, cameras), trunk, actor, critic)
        network = Network(parts, dimensions=spec.action_dim, log_std=self.log_std)
        policy = GaussianPolicy(network, spec)
        if self.checkpoint is not None:
            policy.load(self.checkpoint)
        return policy

    def _trunk(self, cameras: int, size: tuple[int, int]) -> nn.Module:
        from torch import nn

        from rlvla.plugins.models.actor_critic import scaled

        high, wide = ((side - 12) // 8 for side in size)  # what both convolutions leave
        return nn.Sequential(
            scaled(nn.Conv2d(3 * cameras, self.channels, 8, 4)),
            nn.ReLU(),
            scaled(nn.Conv2d(self.channels, 2 * self.channels, 4, 2)),
            nn.ReLU(),
            nn.Flatten(),
            scaled(nn.Linear(2 * self.channels * high * wide, self.width)),
            nn.ReLU(),
        )


def _images(rows: Arrays, cameras: Sequence[str]) -> Tensor:
    """Return the images as one, [B, 3 cameras, H, W] between 0 and 1."""
    import torch

    stacked = torch.cat([torch.from_numpy(rows[f"image/{name}"]) for name in cameras], -1)
    return stacked.movedim(-1, 1) / 255
