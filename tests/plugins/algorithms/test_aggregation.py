from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rlvla.core.types import Moment
from rlvla.plugins.algorithms.ppo import PPO

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Array, Arrays

    MakePolicy = Callable[..., Policy]
    MakeBatch = Callable[..., dict[str, Array]]

SIZE = 12
LEVELS = ["token", "action", "chunk"]
TRAJECTORIES = [[0, 1, 2, 3], [4, 5], [6], [7, 8, 9], [10, 11]]
"""Of segments of 6, 1 and 5 decisions: episodes end with the decisions 3 and 9."""


def _batch(make_policy: MakePolicy, make_batch: MakeBatch) -> tuple[Policy, dict[str, Array]]:
    policy = make_policy(chunk=3, elements=2, values=1)
    batch = make_batch(policy, size=SIZE, drift=0.3)
    for name in ("terminated", "truncated"):
        batch[name] = np.zeros((SIZE, 3), np.bool_)
    batch["terminated"][3, batch["valid"][3].sum() - 1] = True
    batch["truncated"][9, batch["valid"][9].sum() - 1] = True
    batch["terminated"] |= ~batch["valid"]  # what was not executed ends nothing
    batch["segment"] = np.repeat([7, 8, 9], [6, 1, 5])
    return policy, batch


def _entries(policy: Policy, batch: Arrays, level: str) -> list[list[float]]:
    """Return the losses of the entries of each decision, one by one."""
    change = policy.evaluate(batch).log_prob.detach().numpy() - batch["log_prob"]
    entries: list[list[float]] = []
    for row, valid in enumerate(batch["valid"]):
        executed = change[row][valid]
        logs = {"token": executed.ravel(), "action": executed.sum(1)}
        ratios = np.exp(logs.get(level, np.array([executed.sum()])))
        advantage = batch["advantage"][row, 0]
        entries.append(
            [max(-advantage * r, -advantage * float(np.clip(r, 0.8, 1.2))) for r in ratios]
        )
    return entries


def _loss(ppo: PPO, policy: Policy, batch: Arrays) -> float:
    whole = {**batch, **ppo.complete(batch, policy)}
    return float(ppo.loss(policy, whole, Moment(0, 0, {}))[0].mean().item())


def _ppo(**options: Any) -> PPO:  # noqa: ANN401
    return PPO(normalise_advantage="none", value_coef=0.0, **options)


@pytest.mark.parametrize("level", LEVELS)
def test_tokens_weigh_the_same_over_the_whole_batch(
    make_policy: MakePolicy, make_batch: MakeBatch, level: str
) -> None:
    policy, batch = _batch(make_policy, make_batch)
    entries = _entries(policy, batch, level)
    assert level == "chunk" or len({len(one) for one in entries}) > 1
    ppo = _ppo(aggregation="token", ratio_level=level)
    expected = np.concatenate(entries).mean()
    assert _loss(ppo, policy, batch) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_trajectories_weigh_the_same_however_long_they_are(
    make_policy: MakePolicy, make_batch: MakeBatch, level: str
) -> None:
    policy, batch = _batch(make_policy, make_batch)
    entries = _entries(policy, batch, level)
    means = [np.concatenate([entries[row] for row in rows]).mean() for rows in TRAJECTORIES]
    ppo = _ppo(aggregation="trajectory", ratio_level=level)
    assert _loss(ppo, policy, batch) == pytest.approx(np.mean(means), rel=1e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_that_is_the_mean_over_padded_entries_divided_by_lengths(
    make_policy: MakePolicy, make_batch: MakeBatch, level: str
) -> None:
    policy, batch = _batch(make_policy, make_batch)
    entries = _entries(policy, batch, level)
    rows = [np.concatenate([entries[row] for row in rows]) for rows in TRAJECTORIES]
    longest = max(len(row) for row in rows)
    padded = np.stack([np.pad(row, (0, longest - len(row))) * longest / len(row) for row in rows])
    ppo = _ppo(aggregation="trajectory", ratio_level=level)
    assert _loss(ppo, policy, batch) == pytest.approx(padded.mean(), rel=1e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_decisions_weigh_the_same_unless_asked_otherwise(
    make_policy: MakePolicy, make_batch: MakeBatch, level: str
) -> None:
    policy, batch = _batch(make_policy, make_batch)
    expected = np.mean([np.mean(one) for one in _entries(policy, batch, level)])
    ppo = _ppo(ratio_level=level)
    assert not ppo.whole
    assert _loss(ppo, policy, batch) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("aggregation", ["token", "trajectory"])
def test_what_was_not_executed_weighs_nothing_and_has_no_trajectory(
    make_policy: MakePolicy, make_batch: MakeBatch, aggregation: str
) -> None:
    policy, batch = _batch(make_policy, make_batch)
    batch["valid"][10:] = False
    ppo = _ppo(aggregation=aggregation)
    without = {name: one[:10] for name, one in batch.items()}
    weight = ppo.complete(batch, policy)["weight"]
    assert weight[10:].tolist() == [0, 0]
    assert weight.mean() == pytest.approx(1)
    assert _loss(ppo, policy, batch) == pytest.approx(_loss(ppo, policy, without), rel=1e-6)
    empty = {**batch, "valid": np.zeros_like(batch["valid"])}
    assert _loss(ppo, policy, empty) == 0
