from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rlvla.core.errors import PreflightError
from rlvla.core.folder import new_folder

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_stays_only_if_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "outer" / "new"
    with pytest.raises(FileNotFoundError), new_folder(path):
        (path / "half" / "of it").touch()
    assert not path.exists()
    with new_folder(path):
        (path / "whole").touch()
    assert (path / "whole").exists()


def test_a_folder_that_is_there_or_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="exists: remove it"), new_folder(tmp_path):
        pass
    assert tmp_path.exists()
    (tmp_path / "file").touch()
    beyond = tmp_path / "file" / "folder"
    with pytest.raises(PreflightError, match="cannot be made"), new_folder(beyond):
        pass
