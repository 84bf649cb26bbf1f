"""Recorded demonstrations: the rows that they become, and runs that learn from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from toys.line import Line
from toys.plugin import toy_manifest, toy_plugins
from toys.state import saved_state
from toys.tape import Tape
from toys.tiny import Tiny

from rlvla.core.errors import ManifestError
from rlvla.core.recorded import RecordedEpisode, recorded
from rlvla.core.run import run_manifest
from rlvla.core.runtime.build import layout_of
from rlvla.core.types import decode_instruction
from rlvla.core.workers import Job
from rlvla.plugins.algorithms.sft import SFT

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.types import Array

TAPE = "algorithm.recording={type: tape, seed: 4}"
ALGORITHMS = {
    "sft": "algorithm={type: sft, demonstrations: 9, batch_size: 32, micro_batch_size: 8}",
    "ppo": "algorithm={type: ppo, batch_size: 32, micro_batch_size: 8, "
    "cotraining: {demonstrations: 9, batch_size: 8}}",
}


def test_an_episode_becomes_one_decision_after_the_other() -> None:
    job = Job(
        simulator=Line(cameras=1),
        model=Tiny(chunk=2),
        algorithm=SFT(),
        lanes=[[0]],
        slots=1,
        seed=0,
    )
    layout = layout_of(job)
    episode = RecordedEpisode(
        instruction="go left",
        images={
            "top": np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((8, 8, 3), np.uint8)
        },
        proprio=np.arange(5, dtype=np.float32)[:, None],
        actions=-np.arange(5, dtype=np.float32)[:, None],
    )
    rows = episode.rows(layout)
    fields = {name: one for part in layout.parts.values() for name, one in part.items()}
    assert {name: (one.shape, str(one.dtype)) for name, one in rows.items()} == {
        name: ((3, *one.shape), one.dtype) for name, one in fields.items()
    }
    assert rows["proprio"][:, 0].tolist() == rows["image/top"][:, 0, 0, 0].tolist() == [0, 2, 4]
    assert rows["action"][:, :, 0].tolist() == [[0, -1], [-2, -3], [-4, -4]]
    assert rows["valid"].tolist() == [[True, True], [True, True], [True, False]]
    assert rows["terminated"].tolist() == [[False, False], [False, False], [True, False]]
    assert decode_instruction(rows["instruction"][2]) == "go left"
    assert np.isnan(rows["reward"]).all()
    assert np.isnan(rows["privileged"]).all()


def _learned(folder: Path, *overrides: str) -> dict[str, Array]:
    folder.mkdir()
    manifest = toy_manifest(folder, "model.chunk=2", "checkpoint.every=3", *overrides)
    run_dir = run_manifest(manifest, toy_plugins())
    (checkpoint,) = (run_dir / "checkpoints").glob("step-*")
    return saved_state(checkpoint)


@pytest.mark.parametrize("runtime", ["inline", "local"])
@pytest.mark.parametrize("algorithm", ["sft", "ppo"])
def test_what_the_expert_did_teaches_the_same_when_it_was_recorded_bit_for_bit(
    tmp_path: Path, algorithm: str, runtime: str
) -> None:
    options = (ALGORITHMS[algorithm], f"runtime={{type: {runtime}}}", "deterministic=true")
    played = _learned(tmp_path / "played", *options)
    taught = _learned(tmp_path / "recorded", *options, TAPE)
    assert played.keys() == taught.keys()
    for name, one in played.items():
        np.testing.assert_array_equal(one, taught[name], err_msg=name)


def test_another_recording_teaches_something_else(tmp_path: Path) -> None:
    taught = _learned(tmp_path / "one", ALGORITHMS["sft"], TAPE)
    other = _learned(
        tmp_path / "other", ALGORITHMS["sft"], "algorithm.recording={type: tape, seed: 5}"
    )
    assert any(not np.array_equal(one, other[name]) for name, one in taught.items())


def test_no_more_is_read_than_is_learned_from() -> None:
    job = Job(simulator=Line(), model=Tiny(), algorithm=SFT(), lanes=[[0]], slots=1, seed=0)
    algorithm = SFT(demonstrations=3, recording=Tape(seed=0))
    assert len([*recorded(algorithm, job.simulator.spec)]) == 3
    assert not [*recorded(job.algorithm, job.simulator.spec)]


@pytest.mark.parametrize(
    ("algorithm", "recording", "message"),
    [
        ("sft", "{type: tape, seed: 4, cameras: 1}", "cameras of the tape: 1"),
        ("sft", "{type: tapes, seed: 4}", "no recording named 'tapes', did you mean 'tape'?"),
        ("plain", "{type: tape, seed: 4}", "it is for `cotraining`"),
    ],
)
def test_a_recording_that_does_not_fit_is_refused_before_anything_is_built(
    tmp_path: Path, algorithm: str, recording: str, message: str
) -> None:
    chosen = ALGORITHMS.get(algorithm, "algorithm.lr=0.1")
    with pytest.raises(ManifestError) as caught:
        toy_manifest(tmp_path, chosen, f"algorithm.recording={recording}")
    assert message in str(caught.value)


def test_a_critic_does_not_learn_from_a_recording(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="value_coef must be 0 with a recording"):
        toy_manifest(tmp_path, ALGORITHMS["sft"], TAPE, "algorithm.value_coef=1.0")
