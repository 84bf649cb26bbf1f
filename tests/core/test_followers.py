"""What follows a training is told of it in order, timed, saved and resumed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import safetensors.numpy
from toys.bench import Bench
from toys.line import Line
from toys.tiny import Tiny

from rlvla.core.runtime.build import job_from_plain, job_to_plain
from rlvla.core.workers import Job
from rlvla.plugins.algorithms.ppo import PPO
from rlvla.plugins.corrections.mask import Mask
from rlvla.plugins.corrections.truncate import Truncate
from rlvla.plugins.proximals.ewma import Ewma
from rlvla.plugins.proximals.interpolate import Interpolate
from rlvla.plugins.proximals.old_logit_model import OldLogitModel
from rlvla.plugins.proximals.recompute import Recompute
from rlvla.plugins.proximals.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from rlvla.core.interfaces import Proximal
    from rlvla.core.segment import Segment
    from rlvla.core.types import Array, Arrays, Training

_FILES: Any = safetensors.numpy  # its types are not complete
SIZE = 32


@dataclass(frozen=True)
class Noting:
    """A proximal policy that is the behaviour's and notes what it is told."""

    told: list[str] = field(default_factory=list[str])

    sees_within = None

    @property
    def needs(self) -> Sequence[str]:
        return ("log_prob",)

    @property
    def decoupled(self) -> bool:
        return True

    def follow(self, training: Training, name: str) -> Note:
        self.told.append(f"follow {name}, {training.steps} steps")
        return Note(self.told)


@dataclass(frozen=True)
class Note:
    """The follower of `Noting`."""

    told: list[str]

    def begin(self, version: int) -> None:
        self.told.append(f"begin {version}")

    def arrive(self, rows: Arrays) -> dict[str, Array]:
        self.told.append(f"arrive {len(rows['version'])}")
        return {"proximal/number": np.arange(len(rows["version"]))}

    def step(self, metrics: Mapping[str, float]) -> None:
        assert 0 < metrics["active"] <= 1
        self.told.append("step")

    def log_prob(self, batch: Arrays, current: Tensor, version: int) -> Tensor:
        assert not current.requires_grad
        self.told.append(f"score {len(batch['proximal/number'])} of {version}")
        return current.new_tensor(batch["log_prob"])

    def state(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        assert not state


def _ppo(proximal: Proximal, **options: Any) -> PPO:  # noqa: ANN401 - passed on
    made: dict[str, Any] = {
        "batch_size": SIZE,
        "micro_batch_size": 8,
        "epochs": 2,
        "minibatches": 2,
        "lr": 0.05,
    }
    return PPO(proximal=proximal, **{**made, **options})


def _train(bench: Bench, calls: Sequence[Sequence[Segment]]) -> dict[str, float]:
    for segments in calls:
        bench.trainer.accumulate(segments)
    return bench.trainer.step()


def test_a_follower_sees_every_row_before_the_first_step() -> None:
    noting = Noting()
    bench = Bench(_ppo(noting, normalise_advantage="none", epochs=1))
    segments = bench.segments(SIZE // 4)
    _train(bench, [segments[:5], segments[5:]])
    arrivals, passes = ["arrive 20", "arrive 12"], ["score 8 of 0"]
    assert noting.told == [
        *("follow proximal, 2 steps", "begin 0", arrivals[0]),
        *(*passes, arrivals[1], *passes, "step", *passes * 2, "step", "begin 1"),
    ]


def test_a_pass_of_one_step_is_streamed_as_without_a_follower() -> None:
    noting = Noting()
    bench = Bench(_ppo(noting, normalise_advantage="none", epochs=1, minibatches=1))
    segments = bench.segments(SIZE // 4)
    _train(bench, [segments[:4], segments[4:7], segments[7:]])
    assert noting.told[2:] == [
        *("arrive 16", *["score 8 of 0"] * 2, "arrive 12", "score 8 of 0"),
        *("arrive 4", "score 8 of 0", "step", "begin 1"),
    ]


def test_seconds_bytes_and_weights_are_reported() -> None:
    bench = Bench(_ppo(Snapshot(), correction=Truncate(), kl_coef=0.1))
    metrics = _train(bench, [bench.segments(SIZE // 4)])
    size = sum(one.nbytes for one in bench.policy.module.parameters())
    assert metrics["proximal_bytes"] == 2 * size  # of this version and the one before
    assert metrics["reference_bytes"] == size
    assert 0 < metrics["proximal_seconds"] < 60
    assert 0 < metrics["weight_ess"] <= 1 <= metrics["weight_max"] + 1e-4
    assert {"behaviour_log_ratio", "proximal_log_ratio", "reference_kl"} <= metrics.keys()


def test_without_a_follower_nothing_is_reported_or_saved(tmp_path: Path) -> None:
    bench = Bench(PPO(batch_size=SIZE, micro_batch_size=8))
    metrics = _train(bench, [bench.segments(SIZE // 4)])
    assert not [name for name in metrics if name.startswith(("proximal", "weight"))]
    bench.trainer.save(str(tmp_path))
    assert not (tmp_path / "followers.safetensors").exists()


@pytest.mark.parametrize(
    "proximal",
    [Recompute(), Snapshot(), OldLogitModel(), Interpolate(), Ewma(), Ewma(beta=0.5)],
    ids=repr,
)
def test_training_that_is_saved_and_loaded_goes_on_bit_for_bit(
    tmp_path: Path, proximal: Proximal
) -> None:
    algorithm = _ppo(proximal, correction=Mask(low=0.2, high=5.0), kl_coef=0.1)
    through = Bench(algorithm)
    batches = [through.segments(SIZE // 4) for _ in range(2)]
    _train(through, [batches[0]])
    (tmp_path / "one").mkdir()
    through.trainer.save(str(tmp_path / "one"))
    fresh = [type(one)(one.lane, one.slots, one.bootstrap, (1,) * 4) for one in batches[1]]
    _train(through, [fresh[:3], fresh[3:]])

    resumed = Bench(algorithm, rows_of=through)
    _train(resumed, [batches[0]])
    resumed.trainer.accumulate(batches[0][2:])
    resumed.trainer.load(str(tmp_path / "one"), 1)
    _train(resumed, [fresh[:3], fresh[3:]])
    states = [_saved(one, tmp_path / str(n)) for n, one in enumerate((through, resumed))]
    assert states[0].keys() == states[1].keys()
    assert any(name.startswith("followers/reference/") for name in states[0])
    for name, tensor in states[0].items():
        np.testing.assert_array_equal(states[1][name], tensor, err_msg=name)


def test_workers_get_components_that_are_options() -> None:
    algorithm = _ppo(Ewma(beta=0.25), correction=Truncate(cap=3.0, level="chunk"))
    job = Job(simulator=Line(), model=Tiny(), algorithm=algorithm, lanes=[[0, 1]], slots=9, seed=0)
    plain = json.loads(json.dumps(job_to_plain(job)))
    assert job_from_plain(plain).algorithm == algorithm


def _saved(bench: Bench, folder: Path) -> dict[str, Array]:
    folder.mkdir()
    bench.trainer.save(str(folder))
    return {
        f"{path.stem}/{name}": tensor
        for path in folder.glob("*.safetensors")
        for name, tensor in _FILES.load_file(path).items()
    }
