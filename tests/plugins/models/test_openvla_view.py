from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from rlvla.plugins.models.openvla import OpenVLA
from rlvla.plugins.models.openvla.conventions import FAMILIES, Conventions, conventions_of
from rlvla.plugins.models.openvla.resampling import bicubic, centre, lanczos
from rlvla.plugins.models.openvla.view import DINO, View, view_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

MEAN, STD = (0.484375, 0.455078125, 0.40625), (0.228515625, 0.2236328125, 0.224609375)
SIZES = [((48, 64), (28, 28)), ((30, 20), (56, 42)), ((40, 28), (28, 28)), ((64, 64), (56, 28))]


@pytest.fixture
def image() -> Callable[[int, int], NDArray[np.uint8]]:
    def make(height: int, width: int) -> NDArray[np.uint8]:
        random = np.random.default_rng(0)
        return random.integers(0, 256, (height, width, 3), dtype=np.uint8)

    return make


def levels(image: NDArray[np.uint8]) -> Tensor:
    return torch.tensor(image).permute(2, 0, 1)[None].float()


def pillow(
    image: NDArray[np.uint8], size: tuple[int, int], kernel: Image.Resampling
) -> NDArray[np.float32]:
    resized = Image.fromarray(image).resize((size[1], size[0]), kernel)
    return np.asarray(resized, np.float32).transpose(2, 0, 1)[None]


@pytest.mark.parametrize(("before", "after"), SIZES)
def test_bicubic_is_that_of_pillow(
    image: Callable[[int, int], NDArray[np.uint8]], before: tuple[int, int], after: tuple[int, int]
) -> None:
    shown = image(*before)
    ours = bicubic(levels(shown), after).numpy()
    theirs = pillow(shown, after, Image.Resampling.BICUBIC)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1
    assert (ours == theirs).mean() > 0.999


@pytest.mark.parametrize(("before", "after"), SIZES)
def test_lanczos_is_that_of_pillow_but_for_its_rounding_on_the_way(
    image: Callable[[int, int], NDArray[np.uint8]], before: tuple[int, int], after: tuple[int, int]
) -> None:
    # Pillow rounds and cuts after each of its two passes; strong contrasts would be cut.
    shown = image(*before) // 4 + 96
    ours = lanczos(levels(shown), after).numpy()
    theirs = pillow(shown, after, Image.Resampling.LANCZOS)
    assert np.abs(ours - theirs).max() <= 2
    assert np.abs(ours - theirs).mean() < 0.3


def test_lanczos_weighs_pixels_by_windowed_sines() -> None:
    """Twice as many pixels, in closed form: a pixel in the middle of a line of impulse."""
    line = torch.zeros(1, 1, 1, 21)
    line[..., 10] = 200.0
    spread = lanczos(line, (1, 42))[0, 0, 0].numpy()
    x = (np.arange(42) + 0.5) / 2 - 10.5
    kernel = np.where(np.abs(x) < 3, windowed_sine(x), 0.0)
    total = windowed_sine(np.arange(-3, 3) + 0.25).sum()
    np.testing.assert_allclose(spread, np.clip(200 * kernel / total, 0, 255), atol=0.51)


def windowed_sine(x: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    return 3 * np.sin(np.pi * x) * np.sin(np.pi * x / 3) / (np.pi * x) ** 2


def test_a_crop_shows_the_centre_between_pixels_at_its_corners() -> None:
    ramp = torch.arange(41.0).expand(1, 3, 41, 41)
    side = 0.9**0.5
    shown = centre(ramp, 0.9)[0, 0, 20].numpy()
    exact = 40 * ((1 - side) / 2 + side * np.arange(41) / 40) * 255.5 / 255
    assert np.all(np.abs(shown + 0.5 - exact) <= 0.5 + 1e-4)
    np.testing.assert_array_equal(centre(ramp, 0.25)[0, 0, 0, [0, 40]].numpy(), [10, 30])


def test_an_image_of_the_right_size_is_only_normalised(
    image: Callable[[int, int], NDArray[np.uint8]],
) -> None:
    shown = image(28, 28)
    dino, siglip = View((28, 28), Conventions())(torch.tensor(shown)[None])
    unit = shown.astype(np.float64) / 255
    np.testing.assert_allclose(
        dino[0].permute(1, 2, 0).numpy(), (unit - MEAN) / np.array(STD), atol=1e-5
    )
    np.testing.assert_allclose(siglip[0].permute(1, 2, 0).numpy(), 2 * unit - 1, atol=1e-5)


def test_published_statistics_are_rounded_to_bfloat16() -> None:
    exact = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    rounded = exact.to(torch.bfloat16).double()
    assert [list(DINO.mean), list(DINO.std)] == rounded.tolist()


def test_images_are_scaled_then_cut(image: Callable[[int, int], NDArray[np.uint8]]) -> None:
    shown = image(48, 64)
    for family, conventions in FAMILIES.items():
        scale = bicubic if family == "plain" else lanczos
        _, siglip = View((28, 28), conventions)(torch.tensor(shown)[None])
        expected = scale(levels(shown), (28, 28))
        if family in {"libero", "aloha"}:
            expected = centre(expected, 0.9)
        torch.testing.assert_close((siglip + 1) / 2 * 255, expected, atol=1e-3, rtol=0)


def processor(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any entry of a JSON file
    """Return the published `preprocessor_config.json`."""
    resize = {"antialias": True, "interpolation": 3, "max_size": None, "size": [224, 224]}
    dino = {"inplace": False, "mean": list(MEAN), "std": list(STD)}
    siglip = {"inplace": False, "mean": [0.5] * 3, "std": [0.5] * 3}
    return {
        "image_processor_type": "PrismaticImageProcessor",
        "image_resize_strategy": "resize-naive",
        "input_sizes": [[3, 224, 224]] * 2,
        "interpolations": ["bicubic", "bicubic"],
        "means": [[0.485, 0.456, 0.406], [0.5] * 3],
        "stds": [[0.229, 0.224, 0.225], [0.5] * 3],
        "tvf_crop_params": [{"output_size": [224, 224]}] * 2,
        "tvf_do_letterbox": False,
        "tvf_letterbox_fill": None,
        "tvf_normalize_params": [dino, siglip],
        "tvf_resize_params": [resize] * 2,
        "use_fused_vision_backbone": True,
    } | changes


def test_the_published_processor_is_the_view_without_one() -> None:
    view = View((224, 224), Conventions())
    assert view_of(processor(), (224, 224), Conventions()) == view
    assert view_of(view.plain(), (224, 224), Conventions()) == view


@pytest.mark.parametrize("strategy", ["letterbox", "resize-crop"])
@pytest.mark.parametrize("size", [(48, 64), (61, 40), (64, 61), (224, 180), (30, 30)])
def test_images_are_framed_or_cut_as_pillow_and_torchvision_do(
    image: Callable[[int, int], NDArray[np.uint8]], strategy: str, size: tuple[int, int]
) -> None:
    side, fill, shown = 56, (122, 116, 104), image(*size)
    resize = {"interpolation": 3, "size": side, "antialias": True, "max_size": None}
    stated = processor(
        image_resize_strategy=strategy,
        tvf_do_letterbox=strategy == "letterbox",
        tvf_letterbox_fill=list(fill) if strategy == "letterbox" else None,
        tvf_resize_params=[resize] * 2,
        tvf_crop_params=[{"output_size": [side, side]}] * 2,
    )
    view = view_of(stated, (side, side), Conventions())
    assert view_of(view.plain(), (side, side), Conventions()) == view
    expected = Image.fromarray(shown)
    if strategy == "letterbox":
        across, down = ((max(size) - one) // 2 for one in (size[1], size[0]))
        expected = ImageOps.expand(expected, (across, down, across, down), fill)
    width, height = expected.size
    across, down = int(side * width / height), int(side * height / width)
    scaled = (side, down) if width < height else (across, side)
    expected = expected.resize(scaled, Image.Resampling.BICUBIC)
    left, top = (round((one - side) / 2.0) for one in scaled)
    theirs = np.asarray(expected.crop((left, top, left + side, top + side)), np.float32)
    _, siglip = view(torch.tensor(shown)[None])
    ours = ((siglip[0].permute(1, 2, 0) + 1) * 127.5).numpy()
    assert np.abs(ours - theirs).max() <= 1.001
    assert (np.abs(ours - theirs) < 0.001).mean() > 0.998


def test_the_processors_own_statistics_are_taken() -> None:
    flat = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    view = view_of(processor(tvf_normalize_params=[flat, flat]), (224, 224), Conventions())
    assert view.dino.mean == (0.1, 0.2, 0.3)
    assert view.siglip.std == (0.4, 0.5, 0.6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_resize_strategy": "letterbox"}, "has tvf_do_letterbox False; only True"),
        ({"image_resize_strategy": "tile"}, "has image_resize_strategy tile; implemented are r"),
        ({"tvf_do_letterbox": True}, "has tvf_do_letterbox True; only False"),
        ({"tvf_crop_params": [{"output_size": [200, 200]}] * 2}, r"has sizes .*200"),
        (
            {"tvf_resize_params": [{"interpolation": 2, "size": [224, 224]}] * 2},
            r"has interpolations \[2, 2\]; only \[3, 3\]",
        ),
    ],
)
def test_a_processor_of_another_kind_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        view_of(processor(**changes), (224, 224), Conventions())


def test_options_outdo_the_checkpoint_and_the_checkpoint_the_default() -> None:
    saved = {"rlvla": {"conventions": {"resize": "lanczos", "crop": 0.8, "bounds": ["a", "b"]}}}
    assert conventions_of({}, None) == FAMILIES["plain"]
    made = conventions_of(saved, None)
    assert made == Conventions(resize="lanczos", crop=0.8, bounds=("a", "b"))
    assert conventions_of(saved, None, crop=None, chunk=3) == replace(made, chunk=3)
    assert conventions_of(saved, "libero", crop=1.0) == replace(FAMILIES["libero"], crop=1.0)


@pytest.mark.parametrize("crop", [0.0, 1.5])
def test_a_crop_is_a_share_of_the_image(crop: float) -> None:
    with pytest.raises(ValueError, match=f"crop must be above 0 and at most 1, got {crop}"):
        OpenVLA(crop=crop)
