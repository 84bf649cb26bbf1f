from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
import resource
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from rlvla.core.checkpoint import Checkpoint, Checkpoints
from rlvla.core.errors import NoValidCheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

FILES = {"model.safetensors": b"weights", "optimizer.safetensors": b"moments", "state.json": b"{}"}


def save(checkpoints: Checkpoints, step: int, content: bytes = b"") -> Path:
    directory = checkpoints.begin()
    for name, data in FILES.items():
        (directory / name).write_bytes(data + content + str(step).encode())
    return checkpoints.commit(directory, step=step, info={"version": step, "phase": "ppo"})


def newest(checkpoints: Checkpoints) -> Checkpoint:
    found = checkpoints.newest()
    assert found is not None
    return found


def forge(directory: Path, **changes: object) -> None:
    """Write a manifest that is whole in itself but says something else."""
    content = json.loads((directory / "MANIFEST.json").read_text()) | changes
    del content["sha256"]
    body = json.dumps(content, sort_keys=True)
    content["sha256"] = hashlib.sha256(body.encode()).hexdigest()
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    (directory / "MANIFEST.json").write_text(text)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", keep=2)


@contextmanager
def file_size_limit(limit: int) -> Generator[None]:
    """Let every write past `limit` bytes of a file fail, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_run_without_checkpoints_has_no_newest(checkpoints: Checkpoints) -> None:
    assert checkpoints.newest() is None
    checkpoints.begin()
    assert checkpoints.newest() is None


def test_a_commit_is_read_back_as_it_was_written(checkpoints: Checkpoints) -> None:
    path = save(checkpoints, 123)
    assert path.name == "step-000000123"
    found = newest(checkpoints)
    assert (found.path, found.step) == (path, 123)
    assert found.info == {"version": 123, "phase": "ppo"}
    assert (path / "model.safetensors").read_bytes() == b"weights123"


def test_only_the_newest_checkpoints_are_kept(checkpoints: Checkpoints) -> None:
    for step in (1, 9, 10, 100):
        save(checkpoints, step)
    left = sorted(path.name for path in checkpoints.root.iterdir())
    assert left == ["step-000000010", "step-000000100"]


def test_committing_a_step_again_replaces_it(checkpoints: Checkpoints) -> None:
    save(checkpoints, 1)
    for content in (b"second", b"third"):
        path = save(checkpoints, 2, content)
        assert newest(checkpoints).path == path
    assert (path / "model.safetensors").read_bytes() == b"weightsthird2"
    assert len(list(checkpoints.root.iterdir())) == 2


def test_a_commit_after_going_back_ends_the_abandoned_course(checkpoints: Checkpoints) -> None:
    for step in (10, 20):
        path = save(checkpoints, step)
    (path / "state.json").unlink()
    assert newest(checkpoints).step == 10
    save(checkpoints, 15)
    assert newest(checkpoints).step == 15
    assert [path.name for path in sorted(checkpoints.root.iterdir())] == [
        "step-000000010",
        "step-000000015",
    ]


def test_sweep_removes_left_overs_and_nothing_else(checkpoints: Checkpoints) -> None:
    save(checkpoints, 1)
    (checkpoints.begin() / "model.safetensors").write_bytes(b"half")
    shutil.copytree(checkpoints.root / "step-000000001", checkpoints.root / ".del-1")
    checkpoints.sweep()
    assert [path.name for path in checkpoints.root.iterdir()] == ["step-000000001"]
    Checkpoints(checkpoints.root / "nowhere", keep=1).sweep()


@pytest.mark.parametrize("name", [*FILES, "MANIFEST.json"])
def test_a_truncated_file_is_noticed(checkpoints: Checkpoints, name: str) -> None:
    save(checkpoints, 1)
    path = save(checkpoints, 2) / name
    whole = path.read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert newest(checkpoints).step == 1
    path.write_bytes(whole)
    assert newest(checkpoints).step == 2


@pytest.mark.parametrize("name", [*FILES, "MANIFEST.json"])
def test_a_flipped_bit_is_noticed(checkpoints: Checkpoints, name: str) -> None:
    path = save(checkpoints, 2) / name
    whole = path.read_bytes()
    rng = random.Random(name)
    for position in [rng.randrange(8 * len(whole)) for _ in range(125)]:
        changed = bytearray(whole)
        changed[position // 8] ^= 1 << position % 8
        path.write_bytes(changed)
        with pytest.raises(NoValidCheckpointError, match=rf"step-000000002: .*{name}"):
            checkpoints.newest()


def delete(path: Path, other: Path) -> None:
    del other
    path.unlink()


def swap(path: Path, other: Path) -> None:
    shutil.copyfile(other, path)


def link(path: Path, other: Path) -> None:
    path.unlink()
    path.symlink_to(other)


def make_directory(path: Path, other: Path) -> None:
    del other
    path.unlink()
    path.mkdir()


def make_pipe(path: Path, other: Path) -> None:
    del other
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("name", [*FILES, "MANIFEST.json"])
@pytest.mark.parametrize("damage", [delete, swap, link, make_directory, make_pipe])
def test_a_missing_or_foreign_file_is_noticed(
    checkpoints: Checkpoints, name: str, damage: Callable[[Path, Path], None]
) -> None:
    other, path = (save(checkpoints, step) / name for step in (1, 2))
    damage(path, other)
    assert newest(checkpoints).step == 1


def test_an_added_file_is_noticed(checkpoints: Checkpoints) -> None:
    (save(checkpoints, 1) / "extra.safetensors").write_bytes(b"")
    with pytest.raises(NoValidCheckpointError, match=r"'extra\.safetensors' was added"):
        checkpoints.newest()


def test_every_rejected_checkpoint_is_named_with_its_fault(checkpoints: Checkpoints) -> None:
    (save(checkpoints, 1) / "state.json").unlink()
    (save(checkpoints, 2) / "model.safetensors").write_bytes(b"short")
    (checkpoints.root / "step-000000003").write_text("a file")
    (checkpoints.root / "step-next").mkdir()
    with pytest.raises(NoValidCheckpointError) as caught:
        checkpoints.newest()
    message = str(caught.value)
    assert "step-000000001: state.json is missing" in message
    assert "step-000000002: model.safetensors has 5 bytes, not 8" in message
    assert "step-000000003: it is not a directory" in message
    assert "step-next: its name is not one of a checkpoint" in message
    assert caught.value.exit_code == 6


def test_a_renamed_or_linked_checkpoint_is_refused(checkpoints: Checkpoints) -> None:
    path = save(checkpoints, 1)
    (checkpoints.root / "step-000000009").symlink_to(path)
    assert newest(checkpoints).step == 1
    path.rename(checkpoints.root / "step-000000005")
    with pytest.raises(NoValidCheckpointError, match="it was made at step 1"):
        checkpoints.newest()


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "a/b", "..", ".", "", "nul\0", "\N{ONE DOT LEADER}x", ".hidden"],
)
def test_a_manifest_cannot_point_outside(checkpoints: Checkpoints, name: str) -> None:
    path = save(checkpoints, 1)
    secret = b"secret"
    (checkpoints.root / "secret").write_bytes(secret)
    entry = {"size": len(secret), "sha256": hashlib.sha256(secret).hexdigest()}
    files = json.loads((path / "MANIFEST.json").read_text())["files"]
    forge(path, files=files | {name: entry})
    with pytest.raises(NoValidCheckpointError, match="not a bare name"):
        checkpoints.newest()


@pytest.mark.parametrize(
    "changes",
    [
        {"files": []},
        {"files": {"model.safetensors": "x"}},
        {"files": {"model.safetensors": {}}},
        {"step": "1"},
        {"info": []},
        {"format": 2},
    ],
)
def test_a_manifest_of_another_form_is_refused(
    checkpoints: Checkpoints, changes: dict[str, object]
) -> None:
    forge(save(checkpoints, 1), **changes)
    with pytest.raises(NoValidCheckpointError, match=r"MANIFEST\.json is damaged"):
        checkpoints.newest()


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "[" * 100_000, "{}", '{"sha256": "x"}'])
def test_a_manifest_that_is_none_is_refused(checkpoints: Checkpoints, text: str) -> None:
    (save(checkpoints, 1) / "MANIFEST.json").write_text(text)
    with pytest.raises(NoValidCheckpointError, match=r"MANIFEST\.json is damaged"):
        checkpoints.newest()


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (self.path, "w")


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("name", [*FILES, "MANIFEST.json"])
def test_a_pickle_in_place_of_any_file_is_never_executed(
    checkpoints: Checkpoints, tmp_path: Path, name: str
) -> None:
    canary = tmp_path / "canary"
    bomb = pickle.dumps(Touch(str(canary)))
    (save(checkpoints, 1) / name).write_bytes(bomb)
    with pytest.raises(NoValidCheckpointError):
        checkpoints.newest()
    assert not canary.exists()
    pickle.loads(bomb)
    assert canary.exists()


@pytest.mark.parametrize("name", ["sub", "sp ace", ".hidden", "x" * 129])
def test_what_a_checkpoint_cannot_hold_is_refused(checkpoints: Checkpoints, name: str) -> None:
    save(checkpoints, 1)
    directory = checkpoints.begin()
    (directory / name).mkdir()
    with pytest.raises(ValueError, match=r"not a (name|plain file)"):
        checkpoints.commit(directory, step=2, info={})
    assert [path.name for path in checkpoints.root.iterdir()] == ["step-000000001"]


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_info_that_is_not_json_is_refused(checkpoints: Checkpoints, value: object) -> None:
    directory = checkpoints.begin()
    with pytest.raises((TypeError, ValueError), match=r"JSON|serializable"):
        checkpoints.commit(directory, step=1, info={"x": value})
    assert checkpoints.newest() is None
    assert not directory.exists()


def test_impossible_numbers_are_refused(checkpoints: Checkpoints) -> None:
    with pytest.raises(ValueError, match="keep must be at least 1, got 0"):
        Checkpoints(checkpoints.root, keep=0)
    with pytest.raises(ValueError, match="step must be at least 0, got -1"):
        checkpoints.commit(checkpoints.begin(), step=-1, info={})


def test_a_full_disk_leaves_the_earlier_checkpoint(checkpoints: Checkpoints) -> None:
    save(checkpoints, 1)
    with file_size_limit(64), pytest.raises(OSError, match=r"step 2 could not .* needs"):
        save(checkpoints, 2)
    assert [path.name for path in checkpoints.root.iterdir()] == ["step-000000001"]
    assert newest(checkpoints).step == 1
    save(checkpoints, 3)
    assert newest(checkpoints).step == 3


WRITER = """
import sys
from pathlib import Path
from rlvla.core.checkpoint import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]), keep=2)
checkpoints.sweep()
newest = checkpoints.newest()
for step in range(newest.step if newest else 0, 1_000_000):
    directory = checkpoints.begin()
    for name in "ab":
        (directory / name).write_bytes(step.to_bytes(4) * 20_000)
    checkpoints.commit(directory, step=step, info={})
    print(step, flush=True)
"""


def test_a_run_killed_at_any_moment_finds_its_last_checkpoint(checkpoints: Checkpoints) -> None:
    rng = random.Random(0)
    for _ in range(15):
        command = [sys.executable, "-c", WRITER, str(checkpoints.root)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline()
            time.sleep(rng.uniform(0, 0.03))
            writer.kill()
            reported = [int(line) for line in writer.stdout]
        found = newest(checkpoints)
        assert found.step >= max(reported, default=0)
        assert (found.path / "b").read_bytes() == found.step.to_bytes(4) * 20_000
    checkpoints.sweep()
    assert not list(checkpoints.root.glob(".*"))
