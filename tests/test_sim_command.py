from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
import typer
from toys.line import Line

from rlvla.commands import sim
from rlvla.commands.surroundings import Surroundings
from rlvla.core.errors import ManifestError, PreflightError
from rlvla.core.pins import Pins

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rlvla.core.plugins import Plugins


class Pinned(Line):
    pins = Pins(requirements=("numpy==1.26.4",), megabytes=90, note="Fetch the assets.")


class Around(Surroundings):
    def plugins(self, *, without: Sequence[str] = ()) -> Plugins:
        plugins = super().plugins(without=without)
        plugins.components.simulators.add("pinned", Pinned)
        return plugins


def context(folder: Path) -> typer.Context:
    around = Around({"XDG_DATA_HOME": str(folder)}, frozenset())
    return typer.Context(typer.main.get_command(typer.Typer(callback=print)), obj=around)


def test_pins_are_listed_with_where_their_environment_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sim.list_(context(tmp_path))
    assert "pinned  numpy==1.26.4  not installed\n" in capsys.readouterr().out
    (tmp_path / "rlvla/simulators/pinned/bin").mkdir(parents=True)
    (tmp_path / "rlvla/simulators/pinned/bin/python").touch()
    sim.list_(context(tmp_path))
    assert f"in {tmp_path}/rlvla/simulators/pinned\n" in capsys.readouterr().out


def test_what_is_installed_is_told_before_and_nothing_is_done_without_consent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    with pytest.raises(typer.Abort):
        sim.install(context(tmp_path), "pinned", path=tmp_path / "new")
    told = capsys.readouterr().out
    assert f"about 90 MB in {tmp_path}/new\n" in told
    assert "-m pip install numpy==1.26.4\n" in told
    assert not (tmp_path / "new").exists()


def test_a_folder_that_exists_is_kept(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=r"exists: remove it, or name another one by --path"):
        sim.install(context(tmp_path), "pinned", path=tmp_path, yes=True)


def test_an_interpreter_that_makes_no_environment_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="could not be made"):
        sim.install(
            context(tmp_path), "pinned", tmp_path / "nothing", path=tmp_path / "new", yes=True
        )
    assert not (tmp_path / "new").exists()


def test_a_simulator_without_pins_is_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no simulator named 'pined' .* mean 'pinned'\?"):
        sim.install(context(tmp_path), "pined")
