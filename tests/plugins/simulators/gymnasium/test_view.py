from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import pytest
import toys.desk
from gymnasium.spaces import Box, Dict, OneOf, Text

from rlvla.core.testing import check_simulator
from rlvla.core.types import Start
from rlvla.plugins.simulators.gymnasium import Gymnasium

if TYPE_CHECKING:
    from collections.abc import Callable

DESK = "toys.desk:Desk-v0"
START = Start(DESK, "train", 0)
INNER: dict[str, Any] = {"b": Text(5)}
OUTER: dict[str, Any] = {"a": Dict(INNER)}
UNFIT: list[tuple[Any, dict[str, Any], str]] = [
    (Text(5), {}, r"must observe images and numbers, 'observation' is Text\(.*\); a wrapper"),
    (OneOf((Box(0, 1, ()),)), {}, "must observe images and numbers, 'observation' is OneOf"),
    (Dict(OUTER), {}, "env 'Blind-v0' must observe images and numbers, 'a.b' is Text"),
    (
        Box(0, 255, (3, 8, 8), np.uint8),
        {},
        r"uint8 \[height, width, 3\], 'observation' is \[3, 8, 8\]; a wrapper may turn it",
    ),
    (
        Box(0, 255, (8, 8, 3), np.uint8),
        {"pixels": [8, 8]},
        "pixels: env 'Blind-v0' observes a camera 'front' itself",
    ),
    (
        Box(0, 1, (2,)),
        {"privileged": ["goal"]},
        "privileged: env 'Blind-v0' observes no numbers 'goal', it observes observation",
    ),
]


class Blind(gymnasium.Env[Any, Any]):
    """Is never played: it has but spaces."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - as gymnasium has it
    action_space: Any = Box(-1, 1, (1,))

    def __init__(self, space: Any, render_mode: str | None = None) -> None:  # noqa: ANN401
        self.observation_space = space
        self.render_mode = render_mode


class Unseen(Blind):
    """Cannot be drawn, either."""

    metadata: dict[str, Any] = {"render_modes": ["human"]}  # noqa: RUF012 - as gymnasium has it


@pytest.fixture(autouse=True, scope="module")
def _blind() -> None:
    for kind in (Blind, Unseen):
        place = f"{__name__}:{kind.__name__}"
        gymnasium.register(f"{kind.__name__}-v0", place, max_episode_steps=6)


def _played(**options: Any) -> Gymnasium:  # noqa: ANN401
    desk = Gymnasium(env=DESK, **options)
    desk.start(1)
    return desk


@pytest.mark.parametrize(
    "options",
    [
        {"env": DESK},
        {"env": DESK, "pixels": [8, 8], "privileged": ["goal", "arms.1"]},
        {"env": DESK, "on_success": "end"},
        {"env": "FrozenLake-v1", "max_steps": 8},
        {"env": "Blackjack-v1", "max_steps": 8},
    ],
)
def test_whatever_is_observed_keeps_the_contract(options: dict[str, Any]) -> None:
    check_simulator(Gymnasium(**options))


def test_images_are_cameras_and_the_rest_is_the_proprioception_in_order() -> None:
    desk = _played(reset_options={"goal": 2}, instruction="tidy up")
    assert desk.spec.cameras == {"top": (4, 5), "views.left": (2, 3)}
    assert (desk.spec.proprio, desk.spec.privileged) == (6, 0)
    desk.reset(0, START)
    seen = desk.step(0, np.zeros((1, 1), np.float32)).observation
    assert seen.proprio.tolist() == [1, -1, 1, 0, 1, 0]
    assert seen.proprio.dtype == np.float32
    assert np.unique(seen.images["top"]).tolist() == [101]
    assert np.unique(seen.images["views.left"]).tolist() == [1]
    assert seen.instruction == "tidy up"
    desk.close()


def test_named_entries_are_for_training_alone() -> None:
    desk = _played(reset_options={"goal": 3}, privileged=["goal", "arms.1"])
    assert (desk.spec.proprio, desk.spec.privileged) == (2, 4)
    seen = desk.reset(0, START)
    assert seen.proprio.tolist() == [0, -1]
    assert seen.privileged.tolist() == [0, 0, 1, 0]
    desk.close()


def test_all_of_an_array_may_be_for_training_alone() -> None:
    spec = Gymnasium(env="Pendulum-v1", privileged=["observation"]).spec
    assert (spec.proprio, spec.privileged) == (0, 3)


def test_what_is_drawn_is_the_front_camera_and_is_drawn_once_for_each_decision() -> None:
    desk = _played(pixels=[4, 4])
    assert desk.spec.cameras["front"] == (4, 4)
    desk.reset(0, START)
    seen = desk.step(0, np.zeros((3, 1), np.float32)).observation
    assert seen.images["front"].shape == (4, 4, 3)
    assert (seen.images["front"] == [10, 2, 3]).all()
    desk.close()


@pytest.mark.parametrize(
    ("space", "options", "message"),
    UNFIT,
)
def test_what_cannot_be_shown_is_explained(
    space: Any,  # noqa: ANN401
    options: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        _ = Gymnasium(env="Blind-v0", kwargs={"space": space}, **options).spec


def test_an_environment_that_draws_nothing_is_told() -> None:
    unseen = Gymnasium(env="Unseen-v0", kwargs={"space": Box(0, 1, (2,))}, pixels=[8, 8])
    told = pytest.raises(ValueError, match=r"pixels: env 'Unseen-v0' .* rgb_array, only \['human'")
    with pytest.warns(UserWarning, match="render_mode='rgb_array' that is not in"), told:
        _ = unseen.spec


@pytest.mark.parametrize(
    ("drawing", "message"),
    [
        (lambda: np.zeros((8, 8)), r"must draw uint8 \[H, W, 3\], it drew \[\[0"),
        (lambda: None, r"must draw uint8 \[H, W, 3\], it drew None"),
        (lambda: 1 / 0, "cannot draw: ZeroDivisionError.*`render: auto` finds one"),
    ],
)
def test_a_failed_drawing_is_explained(
    drawing: Callable[[], object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(_: object) -> object:
        return drawing()

    monkeypatch.setattr(toys.desk.Desk, "render", draw)
    desk = _played(pixels=[8, 8])
    with pytest.raises(RuntimeError, match=message):
        desk.reset(0, START)
    desk.close()
