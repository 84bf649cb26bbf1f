"""What OFT adds to the network, with the tensor names of its published component files."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

BLOCKS = 2


class ResidualBlock(nn.Module):
    """A layer whose output is added to its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ffn = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to the last axis."""
        out: Tensor = x + self.ffn(x)
        return out


class ResidualMlp(nn.Module):
    """A normalised MLP of residual blocks."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(inputs)
        self.fc1 = nn.Linear(inputs, width)
        self.mlp_resnet_blocks = nn.ModuleList(ResidualBlock(width) for _ in range(BLOCKS))
        self.layer_norm2 = nn.LayerNorm(width)
        self.fc2 = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., inputs] to [..., outputs]."""
        x = functional.relu(self.fc1(self.layer_norm1(x)))
        for block in self.mlp_resnet_blocks:
            x = block(x)
        out: Tensor = self.fc2(self.layer_norm2(x))
        return out


class ActionHead(nn.Module):
    """From the hidden states of an action's D slots to its D numbers in [-1, 1]."""

    def __init__(self, width: int, dimensions: int) -> None:
        super().__init__()
        self.dimensions = dimensions
        self.model = ResidualMlp(dimensions * width, width, dimensions)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map [B, C * D, width] to [B, C, D]."""
        actions: Tensor = self.model(
            hidden.reshape(len(hidden), -1, self.dimensions * hidden.shape[-1])
        )
        return actions


class ProprioProjector(nn.Module):
    """From the robot's own state to one token."""

    def __init__(self, proprio: int, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(proprio, width)
        self.fc2 = nn.Linear(width, width)

    def forward(self, proprio: Tensor) -> Tensor:
        """Map [B, proprio] to [B, 1, width]."""
        token: Tensor = self.fc2(functional.gelu(self.fc1(proprio)))
        return token[:, None]
