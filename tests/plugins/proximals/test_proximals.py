"""Where log-probabilities of the proximal policy come from, against weights kept by hand."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from rlvla.core.errors import TrainingError
from rlvla.core.generator import OnHost, trained_parameters
from rlvla.core.registry import Components
from rlvla.core.testing.rows import decide, observations
from rlvla.core.types import SimulatorSpec, Training
from rlvla.plugins import proximals
from rlvla.plugins.models.mlp import MLP
from rlvla.plugins.proximals.behaviour import Behaviour
from rlvla.plugins.proximals.ewma import Ewma
from rlvla.plugins.proximals.interpolate import Interpolate
from rlvla.plugins.proximals.interrupt import Interrupt
from rlvla.plugins.proximals.old_logit_model import OldLogitModel
from rlvla.plugins.proximals.recompute import Recompute
from rlvla.plugins.proximals.snapshot import Snapshot
from rlvla.plugins.proximals.weights import copied, lent

if TYPE_CHECKING:
    from rlvla.core.interfaces import Follower, Policy, Proximal
    from rlvla.core.types import Array, Arrays

SPEC = SimulatorSpec(
    cameras={},
    proprio=3,
    action_low=(-1.0, -1.0),
    action_high=(1.0, 1.0),
    max_steps=10,
    control_hz=5.0,
)
ROWS = 5


def _policy() -> Policy:
    return MLP(hidden=[8]).build(SPEC, seed=0)


def _decided(policy: Policy, version: int = 0) -> dict[str, Array]:
    seen = observations(SPEC, rows=ROWS)
    return {**seen, **decide(policy, seen), "version": np.full(ROWS, version)}


def _drift(policy: Policy, seed: int) -> None:
    """Change the weights as training would."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.module.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=random)


def _follow(
    proximal: Proximal, policy: Policy, *, steps: int = 4, max_staleness: int = 2
) -> Follower:
    training = Training(policy=policy, steps=steps, micro_batch_size=2, max_staleness=max_staleness)
    follower = proximal.follow(training, "proximal")
    assert follower is not None
    return follower


def _log_prob(policy: Policy, batch: Arrays) -> Array:
    return policy.evaluate(batch).log_prob.detach().numpy()


def _scored(follower: Follower, batch: Arrays, version: int) -> Array:
    """Return the follower's log-probabilities of rows that arrive now."""
    rows = {**batch, **follower.arrive(batch)}
    current = torch.from_numpy(np.full_like(batch["log_prob"], 7.0))
    return follower.log_prob(rows, current, version).numpy()


def test_other_weights_are_lent_and_given_back_whatever_happens() -> None:
    policy = _policy()
    rows, before = _decided(policy), copied(policy.module)
    first = _log_prob(policy, rows)
    _drift(policy, 1)
    own = [one.data_ptr() for one in policy.module.parameters()]
    with lent(policy.module, before):
        np.testing.assert_array_equal(_log_prob(policy, rows), first)
    with pytest.raises(KeyError), lent(policy.module, before):
        policy.evaluate({})
    assert [one.data_ptr() for one in policy.module.parameters()] == own
    assert not np.array_equal(_log_prob(policy, rows), first)


def test_what_is_published_meanwhile_is_not_what_is_lent() -> None:
    policy = _policy()
    before = copied(policy.module)
    _drift(policy, 1)
    own = copied(policy.module)
    published = OnHost(trained_parameters(policy.module))
    with lent(policy.module, before):
        copies = {name: one.copy() for name, one in published.items()}
    assert any(not torch.equal(own[name], one) for name, one in before.items())
    for name, one in copies.items():
        np.testing.assert_array_equal(one, own[name].numpy())


def test_the_behaviour_follows_nothing() -> None:
    training = Training(policy=_policy(), steps=1, micro_batch_size=1, max_staleness=0)
    assert Behaviour().follow(training, "proximal") is None  # type: ignore[func-returns-value]


def test_recompute_scores_with_the_weights_at_the_start_of_the_update() -> None:
    policy = _policy()
    rows = _decided(policy)
    _drift(policy, 1)
    follower = _follow(Recompute(), policy)
    follower.begin(3)
    expected = _log_prob(policy, rows)
    rows |= follower.arrive(rows)
    _drift(policy, 2)
    current = torch.from_numpy(_log_prob(policy, rows))
    np.testing.assert_allclose(follower.log_prob(rows, current, 3).numpy(), expected, rtol=1e-6)
    assert np.abs(expected - rows["log_prob"]).max() > 0.01


def test_recompute_takes_the_pass_that_trains_where_a_batch_is_one_step() -> None:
    policy = _policy()
    follower = _follow(Recompute(), policy, steps=1)
    rows = _decided(policy)
    assert follower.arrive(rows) == {}
    current = torch.from_numpy(rows["log_prob"]) + 1
    assert follower.log_prob(rows, current, 0) is current


def test_a_snapshot_scores_each_decision_with_the_weights_of_its_version() -> None:
    policy = _policy()
    follower = _follow(Snapshot(), policy)
    made: list[dict[str, Array]] = []
    for version in range(4):
        follower.begin(version)
        made.append(_decided(policy, version))
        _drift(policy, version)
    mixed = {
        name: np.concatenate([made[version][name][:2] for version in (3, 1, 2)]) for name in made[0]
    }
    np.testing.assert_allclose(_scored(follower, mixed, 3), mixed["log_prob"], atol=1e-5)
    with pytest.raises(TrainingError, match=r"of version 0 arrived, .* kept of \[1, 2, 3\] only"):
        follower.arrive(made[0])
    size = sum(one.nbytes for one in policy.module.parameters())
    assert sum(one.nbytes for one in follower.state().values()) == 3 * size


def test_an_interruption_scores_each_decision_before_the_weights_that_made_it_change() -> None:
    policy = _policy()
    follower, resumed = _follow(Interrupt(), policy), _follow(Interrupt(), policy)
    follower.begin(3)
    rows = _decided(policy, version=3)
    fields = follower.arrive(rows)
    _drift(policy, 1)
    follower.begin(4)
    current = torch.from_numpy(_log_prob(policy, rows))
    scored = follower.log_prob({**rows, **fields}, current, 4).numpy()
    np.testing.assert_allclose(scored, rows["log_prob"], atol=1e-5)
    assert np.abs(current.numpy() - scored).max() > 0.01
    resumed.restore(follower.state())
    for one in (follower, resumed):
        with pytest.raises(TrainingError, match=r"of version 3 is scored only now .* version 4$"):
            one.arrive(rows)


def test_the_old_logit_model_is_exact_in_two_copies_if_it_sees_all_within_a_version() -> None:
    policy = _policy()
    follower = _follow(OldLogitModel(), policy, max_staleness=4)
    made: list[dict[str, Array]] = []
    for version in range(6):
        follower.begin(version)
        made.append(_decided(policy, version))
        for rows in made[-2:]:
            scored = _scored(follower, rows, version)
            np.testing.assert_allclose(scored, rows["log_prob"], atol=1e-5)
        _drift(policy, version)
    with pytest.raises(TrainingError, match=r"of version 3 arrived, .* kept of \[4, 5\] only"):
        follower.arrive(made[3])
    size = sum(one.nbytes for one in policy.module.parameters())
    assert sum(one.nbytes for one in follower.state().values()) == 2 * size


def test_the_old_logit_model_of_a_synchronous_run_keeps_one_copy() -> None:
    policy = _policy()
    follower = _follow(OldLogitModel(), policy, max_staleness=0)
    for version in range(2):
        follower.begin(version)
    size = sum(one.nbytes for one in policy.module.parameters())
    assert sum(one.nbytes for one in follower.state().values()) == size


@pytest.mark.parametrize("staleness", range(5))
def test_the_share_of_the_present_grows_with_staleness(staleness: int) -> None:
    policy = _policy()
    rows = _decided(policy, version=10 - staleness)
    follower = _follow(Interpolate(), policy)
    current = torch.from_numpy(rows["log_prob"]) + 1.0
    moved = follower.log_prob(rows, current, 10).numpy() - rows["log_prob"]
    share = [0, 1 / 2, 2 / 3, 3 / 4, 4 / 5][staleness]
    np.testing.assert_allclose(moved, share, atol=1e-6)
    if staleness == 0:
        assert not moved.any()


def test_an_average_is_what_its_weights_say() -> None:
    policy, beta = _policy(), 0.8
    follower = _follow(Ewma(beta=beta), policy)
    follower.begin(0)
    history = [copied(policy.module)]
    for seed in range(6):
        _drift(policy, seed)
        history.append(copied(policy.module))
        follower.step({})
    counted = np.array([beta**age for age in range(len(history))][::-1])
    for name, tensor in follower.state().items():
        if name != "total":
            key = name.partition("/")[2]
            expected = sum(w * one[key] for w, one in zip(counted, history, strict=True))
            torch.testing.assert_close(tensor, expected / counted.sum(), rtol=1e-5, atol=1e-6)
    assert float(follower.state()["total"]) == pytest.approx(counted.sum())


def test_an_average_without_memory_is_the_present() -> None:
    policy = _policy()
    follower = _follow(Ewma(beta=0.0), policy)
    follower.begin(0)
    for seed in range(3):
        _drift(policy, seed)
        follower.step({})
        rows = _decided(policy)
        current = policy.evaluate(rows).log_prob.detach()
        assert torch.equal(follower.log_prob(rows, current, 0), current)


@pytest.mark.parametrize(
    ("staleness", "steps", "window"), [(0, 1, 0), (0, 4, 3), (1, 1, 1), (8, 1, 8), (16, 4, 67)]
)
def test_the_centre_of_mass_is_in_the_middle_of_the_window(
    staleness: int, steps: int, window: int
) -> None:
    policy = _policy()
    follower = _follow(Ewma(), policy, steps=steps, max_staleness=staleness)
    follower.begin(0)
    follower.step({})
    beta = float(follower.state()["total"]) - 1
    assert beta / (1 - beta) == pytest.approx(window / 2)


@pytest.mark.parametrize(("active", "resets"), [(0.95, False), (0.85, True)])
def test_an_average_begins_anew_when_too_little_is_active(active: float, resets: bool) -> None:
    policy = _policy()
    follower = _follow(Ewma(beta=0.9, reset_below=0.9), policy)
    follower.begin(0)
    _drift(policy, 0)
    follower.step({"active": active})
    present = copied(policy.module)
    kept = {name.partition("/")[2]: one for name, one in follower.state().items()}
    same = all(torch.equal(kept[name], one) for name, one in present.items())
    assert same == resets


@pytest.mark.parametrize(
    ("proximal", "options", "message"),
    [
        (Ewma, {"beta": 1.0}, "beta must be at least 0 and below 1, got 1.0"),
        (Ewma, {"reset_below": 2.0}, "reset_below must be between 0 and 1, got 2.0"),
    ],
)
def test_options_out_of_range_are_explained(
    proximal: Any,  # noqa: ANN401 - a class
    options: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        proximal(**options)


def test_proximal_policies_are_registered_and_load_no_torch() -> None:
    components = Components()
    proximals.register(components)
    names = [*components.proximals]
    assert names == [
        *("behaviour", "ewma", "interpolate", "interrupt"),
        *("old_logit_model", "recompute", "snapshot"),
    ]
    modules = ", ".join(f"rlvla.plugins.proximals.{name}" for name in names)
    program = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
