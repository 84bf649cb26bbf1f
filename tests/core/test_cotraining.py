"""Demonstrations beside a batch: L = L_RL + coef * L_imitation."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from toys.bench import Bench
from toys.plugin import toy_manifest, toy_plugins
from toys.state import saved_state
from toys.trouble import signalling

from rlvla.core import history
from rlvla.core.demonstrations import Demonstrations
from rlvla.core.errors import ManifestError, TrainingError
from rlvla.core.run import StoppedError, resume_run, run_manifest
from rlvla.core.slots import PARTS
from rlvla.core.trainer import COTRAINING
from rlvla.plugins.algorithms.grpo import GRPO
from rlvla.plugins.algorithms.imitation import Imitation
from rlvla.plugins.algorithms.ppo import PPO

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.types import Array

_FILES: Any = safetensors.numpy  # its types are not complete
SIZE, DRAWN = 32, 24
LIMITLESS = 1e9
BESIDE = Imitation(coef=0.3, batch_size=DRAWN)
PLAIN = PPO(
    batch_size=SIZE, micro_batch_size=8, max_grad_norm=LIMITLESS, normalise_advantage="none"
)


def _state(algorithm: Any, folder: Path, *, parts: int = 1) -> dict[str, Array]:  # noqa: ANN401
    """Return the trainer's state after one batch that came in so many parts."""
    bench = Bench(algorithm)
    bench.trainer.store(bench.demonstrations(4))
    segments = bench.segments(SIZE // 4)
    if parts > 1:
        segments.reverse()
    for first in range(parts):
        bench.trainer.accumulate(segments[first::parts])
    metrics = bench.trainer.step()
    assert ("imitation_loss" in metrics) == (algorithm.cotraining is not None)
    folder.mkdir()
    bench.trainer.save(str(folder))
    return saved_state(folder)


def _gradients(state: dict[str, Array]) -> dict[str, Array]:
    """Return the gradient of a first step, of which AdamW keeps a tenth."""
    averages = {name: one for name, one in state.items() if name.endswith("exp_avg")}
    assert averages
    return {name: 10 * one for name, one in averages.items()}


def test_the_mean_over_demonstrations_is_added_to_the_gradient(tmp_path: Path) -> None:
    alone = _gradients(_state(PLAIN, tmp_path / "alone"))
    both = _gradients(_state(replace(PLAIN, cotraining=BESIDE), tmp_path / "both"))
    bench = Bench(PLAIN)
    kept = Demonstrations()
    for one in [bench.demonstrations(4)]:
        kept.add(bench.slots.read([slot for part in one for slot in part.slots], *PARTS))
    drawn = kept.draw(DRAWN, 0, 0, 0, COTRAINING).rows()
    loss = 0.3 * bench.policy.imitate(drawn).mean()
    parameters = dict(bench.policy.module.named_parameters())
    expected = torch.autograd.grad(loss, [*parameters.values()], materialize_grads=True)
    for name, gradient in zip(parameters, expected, strict=True):
        (key,) = [one for one in both if one.endswith(f"{name}/exp_avg")]
        np.testing.assert_allclose(both[key] - alone[key], gradient.numpy(), atol=1e-6)
    assert max(float(one.abs().max()) for one in expected) > 1e-3


@pytest.mark.parametrize(("micro", "parts"), [(32, 1), (4, 4)])
def test_micro_batches_and_the_order_of_arrival_change_nothing(
    tmp_path: Path, micro: int, parts: int
) -> None:
    algorithm = replace(PLAIN, cotraining=BESIDE)
    usual = _gradients(_state(algorithm, tmp_path / "usual"))
    other = _gradients(
        _state(replace(algorithm, micro_batch_size=micro), tmp_path / "other", parts=parts)
    )
    for name, one in usual.items():
        np.testing.assert_allclose(other[name], one, atol=1e-6)


def test_running_statistics_do_not_see_the_expert(tmp_path: Path) -> None:
    algorithm = replace(PLAIN, normalise_advantage="running")
    alone = _state(algorithm, tmp_path / "alone")
    both = _state(replace(algorithm, cotraining=Imitation(coef=0.0)), tmp_path / "both")
    for name, one in _gradients(alone).items():
        np.testing.assert_allclose(_gradients(both)[name], one, atol=1e-7)


def test_a_step_without_demonstrations_is_refused() -> None:
    bench = Bench(replace(PLAIN, cotraining=BESIDE))
    segments = bench.segments(SIZE // 4)
    with pytest.raises(TrainingError, match="there are no demonstrations to learn from"):
        bench.trainer.accumulate(segments)


@pytest.mark.parametrize("algorithm", [PPO, GRPO])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coef": -0.1}, "coef must be at least 0, got -0.1"),
        ({"demonstrations": 0}, "demonstrations must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ],
)
def test_options_out_of_range_are_explained(
    tmp_path: Path, algorithm: type, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        Imitation(**options)
    (wrong,) = (f"{name}: {value}" for name, value in options.items())
    override = f"algorithm={{type: {algorithm.__name__.lower()}, cotraining: {{{wrong}}}}}"
    with pytest.raises(ManifestError, match=rf"algorithm\.cotraining\.{next(iter(options))}"):
        toy_manifest(tmp_path, override)


def test_a_simulator_without_an_expert_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"needs demonstrations, but .* has no expert"):
        toy_manifest(
            tmp_path,
            "algorithm={type: ppo, cotraining: {coef: 0.1}}",
            "simulator={type: gymnasium, env: CartPole-v1}",
            "model={type: mlp}",
        )


def _tensors(checkpoint: Path) -> dict[str, Array]:
    return {
        f"{path.stem}/{name}": tensor
        for path in checkpoint.glob("*.safetensors")
        for name, tensor in _FILES.load_file(path).items()
    }


COTRAINED = {
    "tiny": "{type: ppo, batch_size: 32, micro_batch_size: 8, lr: 0.03, epochs: 2, minibatches: 2, "
    "cotraining: {demonstrations: 6, batch_size: 20, coef: 0.5}}",
    "flow_mlp": "{type: grpo, group_size: 4, batch_size: 8, micro_batch_size: 8, lr: 0.003, "
    "cotraining: {demonstrations: 6, batch_size: 20, coef: 0.5}}",
}


def _manifest(folder: Path, model: str, *overrides: str) -> Any:  # noqa: ANN401 - of the toys
    folder.mkdir(exist_ok=True)
    return toy_manifest(
        folder,
        f"model={{type: {model}}}",
        f"algorithm={COTRAINED[model]}",
        "budget.updates=6",
        "checkpoint.every=2",
        *overrides,
    )


@pytest.mark.parametrize("model", [*COTRAINED])
def test_a_run_that_is_stopped_and_resumed_ends_with_the_same_weights(
    tmp_path: Path, model: str
) -> None:
    states: list[dict[str, Array]] = []
    for name, stops in (("through", False), ("stopped", True)):
        manifest = _manifest(tmp_path / name, model, "deterministic=true")
        if stops:
            signal = signalling(os.getpid(), tmp_path / name / "run", step=3)
            with signal, pytest.raises(StoppedError):
                run_manifest(manifest, toy_plugins())
            run_dir = resume_run(tmp_path / name / "run", manifest, toy_plugins())
        else:
            run_dir = run_manifest(manifest, toy_plugins())
        states.append(_tensors(run_dir / "checkpoints" / "step-000000006"))
    for name, one in states[0].items():
        np.testing.assert_array_equal(states[1][name], one, err_msg=name)


@pytest.mark.parametrize("model", [*COTRAINED])
@pytest.mark.parametrize("runtime", ["inline", "local"])
def test_an_asynchronous_run_learns_from_both(tmp_path: Path, model: str, runtime: str) -> None:
    manifest = _manifest(tmp_path / model, model, f"runtime={{type: {runtime}}}")
    run_dir = run_manifest(manifest, toy_plugins())
    rows = history.read(run_dir / history.HISTORY)
    assert [row["step"] for row in rows] == [*range(1, 7)]
    assert all(row["ledger/produced"] > 0 for row in rows)
    assert rows[-1]["train/imitation_loss"] < rows[0]["train/imitation_loss"]
