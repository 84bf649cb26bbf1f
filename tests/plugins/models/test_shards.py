"""Files of weights that are not whole are named by their headers, before anything is built."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import safetensors.torch
import torch

from rlvla.plugins.models.shards import refuse_cut
from rlvla.plugins.models.tensors import write_parts

if TYPE_CHECKING:
    from pathlib import Path

FILES: Any = safetensors.torch  # leaves PathLike without its argument
STATE = {"a": torch.zeros(3, 5), "b": torch.ones(7), "c": torch.zeros((), dtype=torch.int64)}


@pytest.fixture(name="parts")
def _parts(tmp_path: Path) -> Path:
    write_parts(STATE, tmp_path, most=30)
    return tmp_path


def test_what_is_whole_is_not_refused(parts: Path, tmp_path: Path) -> None:
    refuse_cut(parts)
    whole = tmp_path / "whole"
    whole.mkdir()
    FILES.save_file(STATE, whole / "model.safetensors", metadata={"format": "pt"})
    refuse_cut(whole)
    (whole / "model.safetensors").unlink()
    FILES.save_file({}, whole / "model.safetensors")
    refuse_cut(whole)


@pytest.mark.parametrize("left", [0, 5, 30, -1])
def test_a_part_that_was_cut_is_named(parts: Path, left: int) -> None:
    file = parts / "model-00002-of-00003.safetensors"
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(ValueError, match=r"model-00002-of-00003\.safetensors cannot be read"):
        refuse_cut(parts)


def test_a_part_that_is_longer_than_it_says_is_named(parts: Path) -> None:
    file = parts / "model-00001-of-00003.safetensors"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes() + b"more")
    with pytest.raises(ValueError, match=f"it has {size + 4} bytes, its header says {size}"):
        refuse_cut(parts)


def test_a_part_that_is_not_there_is_named(parts: Path) -> None:
    (parts / "model-00003-of-00003.safetensors").unlink()
    with pytest.raises(ValueError, match=r"model-00003-of-00003\.safetensors cannot be read: .*No"):
        refuse_cut(parts)


@pytest.mark.parametrize("index", [{"parts": []}, []])
def test_an_index_that_is_none_is_named(parts: Path, index: object) -> None:
    (parts / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"index\.json has no weight_map"):
        refuse_cut(parts)
