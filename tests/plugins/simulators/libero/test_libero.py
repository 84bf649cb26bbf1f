from __future__ import annotations

import pickle
import subprocess
import zipfile
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rlvla.core.component import OptionError, build, options_of
from rlvla.core.types import encode_instruction
from rlvla.plugins.simulators.libero import Libero
from rlvla.plugins.simulators.libero.scene import axis_angle
from rlvla.plugins.simulators.libero.states import read_states
from rlvla.plugins.simulators.libero.tasks import LIMITS, instruction, tasks_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rlvla.plugins.simulators.libero.tasks import Suite

OTHERS: list[Any] = [OrderedDict(a=1), np.zeros(3, np.float32), [1.0, 2.0]]
SIZES: dict[Suite, int] = {
    "libero_spatial": 10,
    "libero_object": 10,
    "libero_goal": 10,
    "libero_10": 10,
    "libero_90": 90,
}


@pytest.mark.parametrize("suite", SIZES)
def test_a_protocol_plays_every_published_state_of_every_task_once(suite: Suite) -> None:
    (protocol,) = Libero(suite=suite).protocols
    assert protocol.name == f"{suite}@v1"
    assert (len(protocol.tasks), protocol.episodes) == (SIZES[suite], 50)
    assert protocol.total == 50 * SIZES[suite]
    limits = {"spatial": 220, "object": 280, "goal": 300, "10": 520, "90": 400}
    assert protocol.max_steps == limits[suite.removeprefix("libero_")]


@pytest.mark.parametrize(
    "options", [{"task": ["turn_on_the_stove"]}, {"max_steps": 100}, {"hard_reset": "never"}]
)
def test_what_is_played_otherwise_is_not_measured_by_it(options: dict[str, Any]) -> None:
    assert not Libero(suite="libero_goal", **options).protocols


def test_tasks_are_told_by_their_names() -> None:
    long = "KITCHEN_SCENE10_put_the_black_bowl_in_the_top_drawer_of_the_cabinet"
    assert instruction(long) == "put the black bowl in the top drawer of the cabinet"
    assert instruction("turn_on_the_stove") == "turn on the stove"
    for suite in LIMITS:
        assert len({*tasks_of(suite)}) == SIZES[suite]
        for task in tasks_of(suite):
            encode_instruction(instruction(task))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lanes": 0}, "lanes must be at least 1, got 0"),
        ({"size": 4}, "size must be between 8 and 1024, got 4"),
        ({"max_steps": 0}, "max_steps must be at least 1, got 0"),
        ({"spare": -1}, "spare must be at least 0, got -1"),
        ({"task": ["turn_on_the_stove"]}, "spatial has no task 'turn_on_the_stove'; it has pick"),
        ({"cameras": ["agentview"] * 2}, "cameras must not repeat a name, got agentview, agentv"),
    ],
)
def test_wrong_options_are_explained(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build(Libero, options)


def test_options_survive_the_way_to_a_worker(tmp_path: Path) -> None:
    adapter = Libero(suite="libero_goal", task=["turn_on_the_stove"], assets=tmp_path)
    assert build(Libero, options_of(adapter)) == adapter


def test_states_are_read_without_executing_what_is_pickled(tmp_path: Path) -> None:
    states = np.random.default_rng(0).normal(size=(50, 79))
    _pickled(tmp_path / "states", states)
    np.testing.assert_array_equal(read_states(tmp_path / "states"), states)


@pytest.mark.parametrize("other", OTHERS)
def test_what_is_no_array_of_states_is_refused(tmp_path: Path, other: object) -> None:
    _pickled(tmp_path / "other", other)
    with pytest.raises(ValueError, match="holds something else than an array of float64"):
        read_states(tmp_path / "other")


class _Touch:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, tuple[list[str]]]:
        return subprocess.check_call, (["touch", str(self._path)],)


def test_a_pickled_command_is_refused_and_not_run(tmp_path: Path) -> None:
    _pickled(tmp_path / "evil", _Touch(tmp_path / "touched"))
    with pytest.raises(ValueError, match="holds something else"):
        read_states(tmp_path / "evil")
    assert not (tmp_path / "touched").exists()


def _pickled(path: Path, content: object) -> None:
    """Write what the published files are: an old archive of torch, of an old version of numpy."""
    data = pickle.dumps(content, protocol=2).replace(b"numpy._core", b"numpy.core")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)


@pytest.mark.parametrize(
    ("quaternion", "vector"),
    [
        ([0, 0, 0, 1], [0, 0, 0]),
        ([1, 0, 0, 0], [np.pi, 0, 0]),
        ([0, 0, np.sin(0.3), np.cos(0.3)], [0, 0, 0.6]),
        ([0, -np.sin(0.5), 0, np.cos(0.5)], [0, -1.0, 0]),
    ],
)
def test_a_rotation_is_told_as_a_vector(quaternion: list[float], vector: list[float]) -> None:
    np.testing.assert_allclose(axis_angle(np.array(quaternion)), vector, atol=1e-9)


def test_an_interpreter_without_the_package_is_told_what_to_install() -> None:
    with pytest.raises(RuntimeError, match="hf-libero is not installed here; `rlvla sim install"):
        Libero().start(1)


def test_missing_models_are_told_with_whence_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libero" / "libero").mkdir(parents=True)
    (tmp_path / "libero" / "__init__.py").touch()
    (tmp_path / "models" / "scenes").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    told = r"models lacks articulated_objects, stable_.*about 200 MB.*hf download .* `assets: DIR`"
    with pytest.raises(RuntimeError, match=told):
        Libero(assets=tmp_path / "models").start(1)


def test_the_adapter_is_the_package(run_package_tests: Callable[[str], None]) -> None:
    """What needs package and models, in the interpreter that has them."""
    run_package_tests("libero")
