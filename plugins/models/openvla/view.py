"""Camera images as the two vision towers see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import torch

from rlvla.plugins.models.openvla.resampling import bicubic, centre, covering, framed, lanczos

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from rlvla.plugins.models.openvla.conventions import Conventions

Strategy: TypeAlias = Literal["resize-naive", "resize-crop", "letterbox"]

FILE = "preprocessor_config.json"
STRETCH: Strategy = "resize-naive"
FRAME: Strategy = "letterbox"
BICUBIC = 3
"""Pillow's number."""


@dataclass(frozen=True)
class Normalisation:
    """What is taken from each colour, and what it is divided by, on the scale of [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Normalise [B, 3, H, W]."""
        shift, scale = (torch.tensor(one).to(x.device) for one in (self.mean, self.std))
        shift, scale = shift.view(3, 1, 1), scale.view(3, 1, 1)
        return (x - shift) / scale

    def plain(self) -> dict[str, object]:
        """Return an entry of the published `tvf_normalize_params`."""
        return {"inplace": False, "mean": list(self.mean), "std": list(self.std)}


DINO = Normalisation((0.484375, 0.455078125, 0.40625), (0.228515625, 0.2236328125, 0.224609375))
"""ImageNet's statistics as published: they were rounded to bfloat16."""
SIGLIP = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class View:
    """How an image becomes the inputs of both towers."""

    size: tuple[int, int]
    """Height and width of what the towers see."""
    conventions: Conventions
    dino: Normalisation = DINO
    siglip: Normalisation = SIGLIP
    strategy: Strategy = STRETCH
    """How images that are not square become so: they are stretched, cut or framed."""
    fill: tuple[int, ...] = (127, 127, 127)
    """Colour of the frame, if there is one."""

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map uint8 [B, H, W, 3] to float32 [B, 3, *size] for DINOv2 and for SigLIP.

        As the originals evaluate, but for the JPEG compression of the frame before.
        """
        x = images.permute(0, 3, 1, 2).float()
        if tuple(x.shape[-2:]) != self.size:
            x = lanczos(x, self.size) if self.conventions.resize == "lanczos" else self._scaled(x)
        if self.conventions.crop < 1:
            x = centre(x, self.conventions.crop)
        x = x / 255
        return self.dino(x), self.siglip(x)

    def _scaled(self, x: Tensor) -> Tensor:
        if self.strategy == STRETCH:
            return bicubic(x, self.size)
        return covering(framed(x, self.fill) if self.strategy == FRAME else x, self.size[0])

    def plain(self) -> dict[str, object]:
        """Return the published `preprocessor_config.json` of this view."""
        size = list(self.size)
        scaled = size if self.strategy == STRETCH else size[0]
        resize = {"antialias": True, "interpolation": BICUBIC, "max_size": None, "size": scaled}
        return {
            "image_processor_type": "PrismaticImageProcessor",
            "image_resize_strategy": self.strategy,
            "tvf_crop_params": [{"output_size": size}] * 2,
            "tvf_do_letterbox": self.strategy == FRAME,
            "tvf_letterbox_fill": list(self.fill) if self.strategy == FRAME else None,
            "tvf_normalize_params": [self.dino.plain(), self.siglip.plain()],
            "tvf_resize_params": [resize] * 2,
            "use_fused_vision_backbone": True,
        }


def view_of(processor: Mapping[str, Any], size: tuple[int, int], conventions: Conventions) -> View:
    """Return the view that a published `preprocessor_config.json` describes.

    Raise ValueError if it asks for what was never published for this architecture.
    """
    strategy = processor["image_resize_strategy"]
    if strategy not in get_args(Strategy):
        raise ValueError(
            f"checkpoint's {FILE} has image_resize_strategy {strategy}; implemented are "
            f"{', '.join(get_args(Strategy))}"
        )
    resizes, crops = processor["tvf_resize_params"], processor["tvf_crop_params"]
    scaled, cut = list(size) if strategy == STRETCH else size[0], list(size)
    expected = {
        "tvf_do_letterbox": (strategy == FRAME, processor.get("tvf_do_letterbox", False)),
        "sizes": ([scaled] * 2 + [cut] * 2, [one["size"] for one in resizes] + _outputs(crops)),
        "interpolations": ([BICUBIC] * 2, [one["interpolation"] for one in resizes]),
    }
    for name, (wanted, found) in expected.items():
        if found != wanted:
            raise ValueError(
                f"checkpoint's {FILE} has {name} {found}; only {wanted} is implemented"
            )
    dino, siglip = (
        Normalisation(tuple(one["mean"]), tuple(one["std"]))
        for one in processor["tvf_normalize_params"]
    )
    fill = tuple(processor["tvf_letterbox_fill"]) if strategy == FRAME else View.fill
    return View(size, conventions, dino, siglip, strategy, fill)


def _outputs(crops: list[Mapping[str, Any]]) -> list[Any]:
    return [one["output_size"] for one in crops]
