from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from toys.bench import Bench
from toys.state import saved_state

from rlvla.core.errors import TrainingError
from rlvla.core.slots import PARTS
from rlvla.core.types import Moment
from rlvla.plugins.algorithms.ppo import PPO
from rlvla.plugins.algorithms.sft import SFT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from rlvla.core.segment import Segment
    from rlvla.core.trainer import Trainer

SIZE = 32


def ppo(
    *,
    size: int = SIZE,
    micro: int = 8,
    epochs: int = 1,
    minibatches: int = 1,
    normalise: bool = True,
) -> PPO:
    return PPO(
        batch_size=size,
        micro_batch_size=micro,
        epochs=epochs,
        minibatches=minibatches,
        normalise_advantage="running" if normalise else "none",
        max_grad_norm=1e9,
        lr=0.05,
    )


def train(trainer: Trainer, calls: Iterable[list[Segment]]) -> dict[str, float]:
    for segments in calls:
        trainer.accumulate(segments)
    return trainer.step()


def saved(trainer: Trainer, folder: Path) -> dict[str, NDArray[np.float32]]:
    folder.mkdir()
    trainer.save(str(folder))
    return saved_state(folder)


def test_neither_micro_batch_nor_arrival_changes_the_gradient(tmp_path: Path) -> None:
    states: list[dict[str, NDArray[np.float32]]] = []
    for micro, seed in ((32, 0), (1, 1), (2, 2), (4, 3), (8, 4), (16, 5)):
        bench = Bench(ppo(micro=micro))
        random = np.random.default_rng(seed)
        for _ in range(2):  # the first is normalised by itself, the second by the first
            segments = bench.segments(SIZE // 4)
            places: list[int] = random.permutation(len(segments)).tolist()
            order = [segments[place] for place in places]
            cuts: list[int] = sorted(random.integers(0, len(order), 3).tolist())
            calls = [order[first:end] for first, end in zip([0, *cuts], [*cuts, None], strict=True)]
            train(bench.trainer, filter(None, calls))
        states.append(saved(bench.trainer, tmp_path / str(micro)))
    for state in states[1:]:
        for name, tensor in states[0].items():
            np.testing.assert_allclose(state[name], tensor, rtol=0, atol=1e-6, err_msg=name)
    assert np.abs(states[0]["optimizer/policy_head.weight/exp_avg"]).max() > 1e-3


def test_every_decision_weighs_one_in_the_batch_size() -> None:
    bench = Bench(ppo())
    segments = bench.segments(SIZE // 4)
    first = train(bench.trainer, [segments])
    twice = Bench(ppo(size=2 * SIZE))
    twice.segments(SIZE // 4)  # the same decisions, as the weights are the same
    second = train(twice.trainer, [segments, segments])
    assert second["grad_norm"] == pytest.approx(first["grad_norm"], rel=1e-5)
    assert second["loss"] == pytest.approx(first["loss"], abs=1e-6)


def test_the_first_batch_is_normalised_by_itself_and_remembered(tmp_path: Path) -> None:
    bench = Bench(ppo())
    segments = bench.segments(SIZE // 4)
    algorithm, policy = bench.algorithm, bench.policy
    rows: list[dict[str, NDArray[np.float32]]] = []
    for segment in segments:
        row = bench.slots.read(segment.slots, *PARTS)
        bootstrap = np.zeros((len(segment), 1), np.float32)
        for index, slot in enumerate(segment.bootstrap):
            if slot >= 0:
                seen = bench.slots.read([slot], "observation")
                bootstrap[index] = policy.value(seen).detach().numpy()[0]
        rows.append(row | dict(algorithm.targets(row, bootstrap)))
    batch = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    advantage = batch["advantage"].astype(np.float64)
    moments = (float(advantage.mean()), float(advantage.std()))
    loss, _ = algorithm.loss(policy, batch, Moment(0, 0, {"advantage": moments}))
    metrics = train(bench.trainer, [[segment] for segment in segments])
    assert metrics["loss"] == pytest.approx(loss.mean().item(), abs=1e-6)
    saved(bench.trainer, tmp_path / "state")
    state = json.loads((tmp_path / "state" / "trainer.json").read_text())
    weight, first, second = state["statistics"]["advantage"]
    assert first / weight == pytest.approx(moments[0], abs=1e-9)
    assert second / weight == pytest.approx(moments[0] ** 2 + moments[1] ** 2, abs=1e-9)
    assert state["updates"] == 1


def test_a_second_epoch_is_a_second_step_on_the_same_batch(tmp_path: Path) -> None:
    twice, once = Bench(ppo(epochs=2, normalise=False)), Bench(ppo(normalise=False))
    states: list[dict[str, NDArray[np.float32]]] = []
    for number, (bench, steps) in enumerate(((twice, 1), (once, 2))):
        whole = bench.segments(SIZE // 4)
        ended = [type(one)(one.lane, one.slots, (-1,) * 4, one.versions) for one in whole]
        for _ in range(steps):
            train(bench.trainer, [ended])
        states.append(saved(bench.trainer, tmp_path / str(number)))
    for name, tensor in states[0].items():
        np.testing.assert_allclose(states[1][name], tensor, rtol=0, atol=1e-6, err_msg=name)


def test_a_minibatch_is_a_step_on_its_part_of_the_batch(tmp_path: Path) -> None:
    parted = Bench(ppo(minibatches=2, normalise=False))
    halves = Bench(ppo(size=SIZE // 2, normalise=False))
    for bench, steps in ((parted, 1), (halves, 2)):
        whole = bench.segments(SIZE // 4)
        ended = [type(one)(one.lane, one.slots, (-1,) * 4, one.versions) for one in whole]
        size = len(ended) // steps
        for step in range(steps):
            train(bench.trainer, [ended[step * size : (step + 1) * size]])
    states = [saved(bench.trainer, tmp_path / str(n)) for n, bench in enumerate((parted, halves))]
    for name, tensor in states[0].items():
        np.testing.assert_allclose(states[1][name], tensor, rtol=0, atol=1e-6, err_msg=name)


def test_training_that_is_saved_and_loaded_goes_on_bit_for_bit(tmp_path: Path) -> None:
    through = Bench(ppo(epochs=2))
    first, second = through.segments(SIZE // 4), through.segments(SIZE // 4)
    train(through.trainer, [first])
    at_one = saved(through.trainer, tmp_path / "one")
    train(through.trainer, [second[:3], second[3:]])

    resumed = Bench(ppo(epochs=2), rows_of=through)
    for _ in range(3):  # what it learned and what is under way is forgotten
        train(resumed.trainer, [first])
    resumed.trainer.accumulate(second[2:])
    resumed.trainer.load(str(tmp_path / "one"), 1)
    again = saved(resumed.trainer, tmp_path / "again")
    train(resumed.trainer, [second[:3], second[3:]])
    ends = (saved(one.trainer, tmp_path / str(id(one))) for one in (through, resumed))
    for left, right in ((at_one, again), tuple(ends)):
        for name, tensor in left.items():
            np.testing.assert_array_equal(right[name], tensor, err_msg=name)


@pytest.mark.parametrize(
    ("field", "scale", "words"),
    [("log_prob", np.nan, "the loss of update 0"), ("value", 1e30, "the gradient of update 0")],
)
def test_what_is_not_finite_is_never_learned_from(field: str, scale: float, words: str) -> None:
    bench = Bench(ppo(normalise=False))
    segments = bench.segments(SIZE // 4)
    slot = segments[3].slots[1]
    rows = bench.slots.read([slot], "decision")
    bench.slots.write("decision", [slot], {**rows, field: rows[field] * np.float32(scale)})
    with pytest.raises(TrainingError, match=f"{words} is not finite"):
        train(bench.trainer, [segments])


def test_supervised_training_samples_demonstrations_and_learns_them() -> None:
    bench = Bench(SFT(batch_size=SIZE, micro_batch_size=8, lr=0.1))
    with pytest.raises(TrainingError, match="there are no demonstrations to learn from"):
        bench.trainer.step()
    bench.trainer.store(bench.demonstrations(6))
    losses = [bench.trainer.step()["imitation_loss"] for _ in range(20)]
    assert losses[0] == pytest.approx(np.log(5), abs=0.2)
    assert losses[-1] < 0.3
