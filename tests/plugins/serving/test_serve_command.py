from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from toys.plugin import installed_environment
from websockets.sync.client import connect

from rlvla.core.errors import ManifestError
from rlvla.core.types import SimulatorSpec
from rlvla.plugins.serving.names import Convention, names_of
from rlvla.plugins.serving.packing import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Call = Callable[..., tuple[object, str, str]]

SPEC = SimulatorSpec(
    cameras={"front": (8, 8), "hand_wrist": (8, 8), "side": (8, 8)},
    proprio=3,
    action_low=(-1.0,),
    action_high=(1.0,),
    max_steps=5,
    control_hz=5.0,
)


def test_a_run_is_served_until_ctrl_c(run_dir: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rlvla", "serve", str(run_dir), "--port", "0"]
    environment = dict(installed_environment(tmp_path))
    with subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as served:
        assert served.stdout is not None
        assert served.stderr is not None
        line = served.stdout.readline()
        found = re.fullmatch(r"toy, version 1, at (ws://127.0.0.1:\d+); Ctrl-C ends it\n", line)
        assert found, line + served.stderr.read()
        with connect(found[1], compression=None) as robot:
            robot.recv()
            image = np.zeros((8, 8, 3), np.uint8)
            seen = {"image/top": image, "proprio": np.zeros(1), "instruction": "go left"}
            robot.send(pack(seen))
            answer = robot.recv()
            assert isinstance(answer, bytes)
            assert "actions" in str(unpack(answer))
            served.send_signal(signal.SIGINT)
            out, err = served.communicate(timeout=60)
    assert (served.returncode, err) == (0, "")
    assert out.splitlines()[-1] == "stopped after 1 answers"


@pytest.fixture(name="toys")
def _toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = installed_environment(tmp_path)["PYTHONPATH"]
    for entry in reversed(path.split(os.pathsep)):
        monkeypatch.syspath_prepend(entry)


@pytest.mark.usefixtures("toys")
def test_a_port_that_is_taken_is_one_clear_error(call: Call, run_dir: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        code, _, err = call("serve", str(run_dir), "--port", str(port))
    assert code == 4
    assert f"port {port} of 127.0.0.1 is taken" in err
    assert len(err.splitlines()) == 1


@pytest.mark.usefixtures("toys")
def test_a_run_without_checkpoint_is_one_clear_error(
    call: Call, run_dir: Path, tmp_path: Path
) -> None:
    text = (run_dir / "manifest.resolved.yaml").read_text()
    (tmp_path / "manifest.resolved.yaml").write_text(text)
    code, _, err = call("serve", str(tmp_path))
    assert code == 5
    assert "holds no checkpoint to serve" in err


def test_a_folder_that_is_no_run_is_one_clear_error(call: Call, tmp_path: Path) -> None:
    code, _, err = call("serve", str(tmp_path))
    assert code == 4
    assert "is not the folder of a run" in err


def test_other_machines_need_a_key(call: Call, run_dir: Path) -> None:
    code, _, err = call("serve", str(run_dir), "--host", "0.0.0.0")
    assert code == 2
    assert "clients must show a key; set RLVLA_SERVE_KEY" in err


@pytest.mark.usefixtures("toys")
def test_a_device_that_is_not_here_is_one_clear_error(call: Call, run_dir: Path) -> None:
    code, _, err = call("serve", str(run_dir), "--device", "gpu")
    assert code == 4
    assert "--device gpu: torch finds no such device here" in err
    assert len(err.splitlines()) == 1


def test_a_missing_extra_is_one_clear_error(
    call: Call, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "msgpack", None)
    code, _, err = call("serve", str(run_dir))
    assert code == 4
    assert "this needs the package 'msgpack'; pip install 'rlvla[serve]'" in err


@pytest.mark.parametrize(
    ("convention", "cameras", "keys"),
    [
        (
            "openpi",
            ["side", "robot0_eye_in_hand", "front"],
            ["observation/image", "observation/wrist_image", "observation/front"],
        ),
        (
            "droid",
            ["hand_camera", "left", "right", "top"],
            [
                "observation/wrist_image_left",
                "observation/exterior_image_1_left",
                "observation/exterior_image_2_left",
                "observation/top",
            ],
        ),
        (
            "aloha",
            ["cam_right_wrist", "top", "wrist"],
            ["images/cam_right_wrist", "images/cam_high", "images/cam_left_wrist"],
        ),
    ],
)
def test_names_are_given_to_what_they_mean(
    convention: Convention, cameras: list[str], keys: list[str]
) -> None:
    names = names_of(replace(SPEC, cameras=dict.fromkeys(cameras, (8, 8))), convention)
    state = {
        "openpi": ("observation/state",),
        "droid": ("observation/joint_position", "observation/gripper_position"),
        "aloha": ("state",),
    }
    shown = {f"image/{one}": (key,) for one, key in zip(cameras, keys, strict=True)}
    assert names == shown | {"proprio": state[convention], "instruction": ("prompt",)}


def test_names_of_the_clients_own_win() -> None:
    names = names_of(SPEC, "openpi", ["a=b/c=image/side", "arm=proprio", "grip=proprio"])
    assert names["image/side"] == ("a=b/c",)
    assert names["proprio"] == ("arm", "grip")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("x=image/back", "a part of image/front, image/hand_wrist, image/side, proprio"),
        ("image/front", "expected KEY=PART"),
        ("prompt=proprio", "gives one key to two parts"),
        ("x=image/side y=image/side", "image/side has the key x already"),
    ],
)
def test_a_name_that_does_not_fit_is_an_error(entry: str, told: str) -> None:
    with pytest.raises(ManifestError, match=told):
        names_of(SPEC, "openpi", entry.split())
