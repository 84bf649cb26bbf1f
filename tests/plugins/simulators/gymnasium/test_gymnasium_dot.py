from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import toys.dot

from rlvla.core.component import build
from rlvla.core.testing.simulator import check_simulator
from rlvla.core.types import Start
from rlvla.plugins.simulators.gymnasium import Gymnasium

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlvla.core.types import StepResult

START = Start("Dot-v0", "train", 0)


@pytest.fixture(name="dot")
def _dot() -> Iterator[Gymnasium]:
    dot = Gymnasium(env="Dot-v0")
    dot.start(2)
    yield dot
    dot.close()


def _moved(dot: Gymnasium, *moves: float) -> StepResult:
    return dot.step(0, np.array(moves, np.float32)[:, None])


@pytest.mark.parametrize(
    "options",
    [
        {"env": "Dot-v0"},
        {"env": "Dot-v0", "kwargs": {"image": True}},
        {"env": "toys.dot:Unlimited-v0", "max_steps": 5},
        {"env": "Pendulum-v1", "max_steps": 30},
    ],
)
def test_it_keeps_the_rules_of_simulators(options: dict[str, Any]) -> None:
    check_simulator(build(Gymnasium, options))


def test_a_vector_is_flattened_into_the_proprioception(dot: Gymnasium) -> None:
    spec = dot.spec
    assert (spec.proprio, spec.privileged, dict(spec.cameras)) == (2, 0, {})
    assert (spec.action_low, spec.action_high) == ((-0.5,), (0.5,))
    assert spec.max_steps == toys.dot.LIMIT
    place, one = dot.reset(0, START).proprio.tolist()
    assert abs(place) <= 0.1
    assert one == 1
    result = _moved(dot, 0.25)
    assert result.observation.proprio.tolist() == pytest.approx([place + 0.25, 1])
    assert result.observation.instruction == "Dot-v0"


def test_an_image_is_what_the_front_camera_shows() -> None:
    dot = Gymnasium(env="Dot-v0", kwargs={"image": True})
    assert (dict(dot.spec.cameras), dot.spec.proprio) == ({"front": (24, 32)}, 0)
    dot.start(1)
    before = dot.reset(0, START).images["front"].astype(int)
    after = _moved(dot, 0.5).observation.images["front"].astype(int)
    assert set((after - before).ravel().tolist()) <= {29, 30, 31}
    dot.close()


def test_a_chunk_stops_where_the_episode_ends(dot: Gymnasium) -> None:
    dot.reset(0, START)
    result = _moved(dot, 0.5, 0.25, 0.5, 0.5)
    assert result.valid.tolist() == [True, True, True, False]
    assert result.terminated.tolist() == [False, False, True, False]
    assert not result.truncated.any()
    assert result.reward.tolist() == [0.5, 0.25, 0.5, 0]
    assert result.success


def test_an_end_without_success_is_a_failure(dot: Gymnasium) -> None:
    dot.reset(0, START)
    result = _moved(dot, -0.4, -0.4, -0.4)
    assert result.terminated.tolist() == [False, False, True]
    assert not result.success


def test_the_limit_truncates_and_the_end_of_the_task_comes_before_it(dot: Gymnasium) -> None:
    dot.reset(0, START)
    result = _moved(dot, *[0.0] * toys.dot.LIMIT)
    assert result.truncated.tolist() == [False] * (toys.dot.LIMIT - 1) + [True]
    assert not result.terminated.any()
    dot.reset(0, START)
    result = _moved(dot, *[0.0] * (toys.dot.LIMIT - 3), 0.5, 0.5, 0.5)
    assert result.terminated.tolist() == [False] * (toys.dot.LIMIT - 1) + [True]
    assert not result.truncated.any()


def test_max_steps_takes_the_place_of_the_limit() -> None:
    dot = Gymnasium(env="Dot-v0", max_steps=2)
    assert dot.spec.max_steps == 2
    dot.start(1)
    dot.reset(0, START)
    assert _moved(dot, 0, 0, 0).truncated.tolist() == [False, True, False]
    dot.close()


def test_every_part_of_a_start_but_the_task_changes_the_episode(dot: Gymnasium) -> None:
    starts = [
        START,
        Start("Dot-v0", "eval", 0),
        Start("Dot-v0", "train", 1),
        Start("Dot-v0", "train", 0, seed=1),
        Start("Dot-v0", "train", 1, seed=1),
    ]
    places = [float(dot.reset(0, start).proprio[0]) for start in starts]
    assert len(set(places)) == len(starts)
    assert [float(dot.reset(1, start).proprio[0]) for start in starts] == places


@pytest.mark.parametrize(
    ("options", "name", "words"),
    [
        ({"env": "Nowhere-v0"}, "env", "env 'Nowhere-v0' cannot be made"),
        ({"env": "nowhere:Dot-v0"}, "env", "environment that has it: No module named 'nowhere'"),
        ({"env": "Dot-v0", "kwargs": {"color": 1}}, "kwargs", "kwargs do not fit"),
        (
            {"env": "Dot-v0", "max_steps": 2, "kwargs": {"max_episode_steps": 3}},
            ("kwargs",),
            "kwargs do not fit",
        ),
        ({"env": "Unlimited-v0"}, "max_steps", "max_steps is needed: env 'Unlimited-v0'"),
        ({"env": "Dot-v0", "lanes": 0}, "lanes", "lanes must be at least 1, got 0"),
        ({"env": "Dot-v0", "max_steps": 0}, "max_steps", "max_steps must be at least 1, got 0"),
    ],
)
def test_an_unfit_option_is_named(options: dict[str, Any], name: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        _ = build(Gymnasium, options).spec
    assert str(caught.value).startswith(name)


def test_it_is_imported_without_gymnasium() -> None:
    code = (
        "import sys, rlvla.plugins.simulators.gymnasium as one; one.Gymnasium(env='Dot-v0').tasks;"
        "sys.exit(any(name in sys.modules for name in ('gymnasium', 'torch', 'mujoco')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
