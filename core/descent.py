"""Descent: AdamW steps on parameters that lie side by side in memory."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.interfaces import Algorithm

BETAS = (0.9, 0.95)
SHARED = "step"
"""What of AdamW's state a block has once; checkpoints hold a copy for each parameter."""


class Block:
    """Parameters of one type as views of one tensor, and their gradients as views of another.

    What is done to all of them is then one operation, whatever their number: for a small network
    an optimizer step takes half the time.
    """

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self._shapes = [one.shape for one in parameters]
        self.whole = nn.Parameter(torch.cat([one.detach().flatten() for one in parameters]))
        self.gradient = torch.zeros_like(self.whole)
        self.whole.grad = self.gradient
        for one, value, gradient in zip(
            parameters, self.parts(self.whole.detach()), self.parts(self.gradient), strict=True
        ):
            one.data, one.grad = value, gradient

    def parts(self, whole: Tensor) -> list[Tensor]:
        """Return a tensor like `whole` as views shaped like the parameters."""
        sizes = [shape.numel() for shape in self._shapes]
        views = zip(torch.split(whole, sizes), self._shapes, strict=True)
        return [part.view(shape) for part, shape in views]


class Descent:
    """Takes steps down the gradient, at most `max_grad_norm` long before AdamW scales them."""

    def __init__(self, algorithm: Algorithm, module: nn.Module) -> None:
        self._algorithm = algorithm
        names = {id(one): name for name, one in module.named_parameters()}
        self._blocks: list[tuple[list[str], Block]] = []
        groups: list[dict[str, Any]] = []
        for group in algorithm.parameter_groups(module):
            for parameters in _alike(cast("Sequence[nn.Parameter]", group["params"])):
                block = Block(parameters)
                self._blocks.append(([names[id(one)] for one in parameters], block))
                groups.append({**group, "params": [block.whole]})
        self._rates = [group["lr"] for group in groups]
        self._optimizer = torch.optim.AdamW(groups, betas=BETAS, fused=True)

    def norm(self) -> Tensor:
        """Return the norm of the gradient, a scalar."""
        squares = [torch.dot(block.gradient, block.gradient) for _, block in self._blocks]
        return torch.stack(squares).sum().sqrt()

    def step(self, update: int, *, norm: float) -> None:
        """Take a step of update number `update` down the gradient of this norm, and forget it."""
        scale = self._algorithm.lr_scale(update)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * scale
        cut = self._algorithm.max_grad_norm / (norm + 1e-6)
        if cut < 1:
            for _, block in self._blocks:
                block.gradient.mul_(cut)
        self._optimizer.step()
        self.forget()

    def forget(self) -> None:
        """Begin with a gradient of zero."""
        for _, block in self._blocks:
            block.gradient.zero_()

    def tensors(self) -> dict[str, Tensor]:
        """Return AdamW's state as `parameter/kind`."""
        return {
            f"{name}/{kind}": one.clone()
            for names, block in self._blocks
            for kind, state in self._optimizer.state[block.whole].items()
            for name, one in zip(names, _spread(kind, state, block), strict=True)
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` returned."""
        for names, block in self._blocks:
            first = f"{names[0]}/"
            kinds = [key.removeprefix(first) for key in tensors if key.startswith(first)]
            for kind in kinds:
                parts = [tensors[f"{name}/{kind}"] for name in names]
                shared = kind == SHARED
                whole = parts[0] if shared else torch.cat([one.flatten() for one in parts])
                self._optimizer.state[block.whole][kind] = whole


def _spread(kind: str, state: Tensor, block: Block) -> list[Tensor]:
    """Return the state of each parameter of the block."""
    parts = block.parts(block.gradient)
    return [state] * len(parts) if kind == SHARED else block.parts(state)


def _alike(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Return the parameters apart by type and device."""
    kinds = {one: (str(one.dtype), str(one.device)) for one in parameters}
    ordered = sorted(parameters, key=kinds.__getitem__)
    return [list(group) for _, group in groupby(ordered, key=kinds.__getitem__)]
