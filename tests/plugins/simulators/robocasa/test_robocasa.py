from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rlvla.core.component import OptionError, build, options_of
from rlvla.plugins.simulators.robocasa import Robocasa
from rlvla.plugins.simulators.robocasa.package import FOLDERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "task"),
        ({"task": "CloseFridge", "lanes": 0}, "lanes must be at least 1, got 0"),
        ({"task": "CloseFridge", "max_steps": 0}, "max_steps must be at least 1, got 0"),
        ({"task": "CloseFridge", "size": 4}, "size must be between 8 and 1024, got 4"),
        ({"task": "CloseFridge", "spare": -1}, "spare must be at least 0, got -1"),
        ({"task": []}, "task must name at least one and each once"),
        ({"task": ["OpenDrawer"] * 2}, "task must name .* each once, got OpenDrawer, OpenDrawer"),
        ({"task": "CloseFridge", "cameras": []}, "cameras must name at least one"),
        ({"task": "CloseFridge", "measured": "test"}, "expected 'pretrain' or 'target', got 'test"),
        ({"task": "CloseFridge", "cameras": ["front"]}, "expected 'robot0_agentview_left' or "),
    ],
)
def test_wrong_options_are_explained(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build(Robocasa, options)


def test_options_survive_the_way_to_a_worker() -> None:
    adapter = Robocasa(task=["CloseFridge", "OpenDrawer"], measured="pretrain", size=96)
    assert build(Robocasa, options_of(adapter)) == adapter


def test_an_interpreter_without_the_package_is_told_whence_it_comes() -> None:
    told = "robocasa is not installed here: .*github.com/ARISE-Initiative/robosuite .*robocasa/robo"
    with pytest.raises(RuntimeError, match=told):
        Robocasa(task="CloseFridge").start(1)


@pytest.mark.parametrize("missing", FOLDERS)
def test_missing_models_are_told_with_their_size_and_whence_they_come(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path / "robocasa" / "models" / "assets" / name for name in FOLDERS):
        folder.mkdir(parents=True)
        (folder / "model.xml").touch()
    (tmp_path / "robocasa" / "models" / "assets" / missing / "model.xml").unlink()
    (tmp_path / "robocasa" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    told = f"assets lacks {missing}; get about 10 GB by `python -m robocasa.scripts.download_kitch"
    with pytest.raises(RuntimeError, match=told):
        Robocasa(task="CloseFridge").start(1)


def test_the_adapter_is_the_package(run_package_tests: Callable[[str], None]) -> None:
    """What needs the package and its models, in the interpreter that has them."""
    run_package_tests("robocasa")
