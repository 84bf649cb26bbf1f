from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from rlvla.core.errors import PreflightError
from rlvla.core.run_dir import (
    claim,
    locked,
    record_evaluation,
    write_exit,
    write_json,
    write_versions,
)
from rlvla.core.success import Tally

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys, time
from pathlib import Path
from rlvla.core.run_dir import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_new_run_gets_the_folder_it_wants_or_the_next_number(tmp_path: Path) -> None:
    wanted = tmp_path / "runs" / "reach"
    assert claim(wanted) == wanted
    assert claim(wanted) == wanted
    (wanted / "metrics.jsonl").touch()
    second = claim(wanted)
    assert second == tmp_path / "runs" / "reach-2"
    (second / "metrics.jsonl").touch()
    assert claim(wanted) == tmp_path / "runs" / "reach-3"


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(PreflightError, match="cannot be made: Not a directory; choose another"):
        claim(tmp_path / "runs" / "reach")


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "reach").write_text("a file")
    assert claim(tmp_path / "reach") == tmp_path / "reach-2"


def test_a_second_process_is_told_who_owns_the_folder(tmp_path: Path) -> None:
    with locked(tmp_path):
        command = [sys.executable, "-c", HOLDER, str(tmp_path)]
        second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert f"is in use by process {os.getpid()} on " in second.stderr
    with locked(tmp_path), pytest.raises(PreflightError, match=f"process {os.getpid()} on"):
        locked(tmp_path).__enter__()


def test_a_killed_owner_frees_the_folder_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(PreflightError, match=f"process {holder.pid} on"):
            locked(tmp_path).__enter__()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with locked(tmp_path):
            assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_an_owner_that_has_not_signed_yet_is_told_too(tmp_path: Path) -> None:
    with locked(tmp_path):
        (tmp_path / "lock").write_text("")
        with pytest.raises(PreflightError, match="another process that just started"):
            locked(tmp_path).__enter__()


def test_a_missing_folder_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="cannot be locked: No such file"):
        locked(tmp_path / "gone").__enter__()


def test_a_linked_lock_is_refused(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "lock").symlink_to(victim)
    with pytest.raises(PreflightError, match="cannot be locked"):
        locked(tmp_path).__enter__()
    assert victim.read_text() == "precious"


def test_the_end_of_a_run_is_recorded(tmp_path: Path) -> None:
    write_exit(tmp_path, code=75, message="stopped by SIGTERM")
    record = json.loads((tmp_path / "exit.json").read_text())
    assert (record["code"], record["message"]) == (75, "stopped by SIGTERM")


def test_versions_are_recorded_without_importing_anything(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rlvla.core.run_dir import write_versions;"
        "write_versions(Path(sys.argv[1]), seed=3, threads=2);"
        "print([m for m in ('torch', 'mujoco', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
    record = json.loads((tmp_path / "versions.json").read_text())
    assert (record["seed"], record["threads"]) == (3, 2)
    assert record["torch"].count(".") == 2
    assert record["python"] == sys.version.split()[0]


def test_a_distribution_that_is_not_installed_has_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlvla.core.run_dir.DISTRIBUTIONS", ("no-such-distribution",))
    write_versions(tmp_path, seed=0, threads=1)
    assert json.loads((tmp_path / "versions.json").read_text())["no-such-distribution"] is None


def test_an_evaluation_repeated_after_a_resume_replaces_the_first(tmp_path: Path) -> None:
    for moment, version, success in [("before", 0, False), ("during", 20, False)] * 2 + [
        ("during", 20, True),
        ("after", 20, True),
    ]:
        tally = Tally.count([("reach", success, 9)], protocol="t@v1", version=version)
        record_evaluation(tmp_path, moment=moment, tally=tally)
    records = json.loads((tmp_path / "evaluations.json").read_text())
    assert [(one["moment"], one["successes"]) for one in records] == [
        ("before", 0),
        ("during", 1),
        ("after", 1),
    ]


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "exit.json"
    write_json(path, {"code": 0})
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(path, {"code": object()})
    assert json.loads(path.read_text()) == {"code": 0}
