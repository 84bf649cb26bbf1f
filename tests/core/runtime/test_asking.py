from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from toys.line import Line

from rlvla.core.errors import PluginError
from rlvla.core.runtime.asking import ask

if TYPE_CHECKING:
    from pathlib import Path


def _script(folder: Path, command: str) -> Path:
    """Write what may be taken for a Python."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(0o755)
    return path


def test_a_simulator_is_asked_to_show_something_only_if_it_is_meant_to() -> None:
    broken = Line(fault="raise_in_reset", after=1)
    assert ask(broken, None, within=60)["tasks"] == ["go"]
    told = ask(broken, None, "--show", within=60)
    assert told == {"error": ["plugin", "RuntimeError: the line is broken"]}
    assert ask(Line(), None, "--show", within=60)["seconds"] < 60


def test_silence_ends(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"passed its start time-out of 0\.2 s in .*python"):
        ask(Line(), _script(tmp_path, "exec sleep 100"), within=0.2)


@pytest.mark.parametrize(("end", "code"), [("kill -ABRT $$", -6), ("exit 0", 0)])
def test_an_end_without_an_answer_is_told_with_the_last_words(
    end: str, code: int, tmp_path: Path
) -> None:
    python = _script(tmp_path, f"echo >&2 'no such lamp'; {end}")
    with pytest.raises(PluginError, match=rf"python ended with exit code {code}: no such lamp"):
        ask(Line(), python, within=60)
