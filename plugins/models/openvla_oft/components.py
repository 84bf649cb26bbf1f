"""The published component files: a torch pickle of tensors each, read as nothing but tensors."""

from __future__ import annotations

from pickle import UnpicklingError
from typing import TYPE_CHECKING, cast

import torch

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from rlvla.plugins.models.openvla.source import Source

PREFIX = "module."
"""Left by distributed training."""
UNSUPPORTED = {
    "vision_backbone": "language-conditioned vision (FiLM)",
    "noisy_action_projector": "a head that denoises actions (diffusion)",
}


def refuse_unsupported(source: Source) -> None:
    """Raise ValueError if the checkpoint has a component that is not implemented."""
    for component, what in UNSUPPORTED.items():
        if _files(source, component):
            raise ValueError(
                f"checkpoint {source.own} has {component}--*.pt: {what} is not implemented"
            )


def component(source: Source, name: str) -> dict[str, Tensor]:
    """Return the tensors of the component `name` in float32, under their names in the network.

    There are none without a file; raise ValueError if there are several, or it holds other things.
    """
    files = _files(source, name)
    if len(files) > 1:
        found = ", ".join(file.name for file in files)
        raise ValueError(f"checkpoint must have one {name}--*.pt, it has {found}")
    return {
        f"{name}.{key.removeprefix(PREFIX)}": one.to(torch.float32, copy=True)
        for file in files
        for key, one in _tensors(file).items()
    }


def _files(source: Source, name: str) -> list[Path]:
    return sorted(source.own.glob(f"{name}--*.pt"))


def _tensors(file: Path) -> dict[str, Tensor]:
    try:
        content = cast("object", torch.load(file, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, UnpicklingError) as error:
        raise ValueError(f"checkpoint's file {file} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"checkpoint's file {file} holds no tensors by name")
    return cast("dict[str, Tensor]", content)
