from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch

from rlvla.core.testing.algorithm import check_algorithm
from rlvla.core.types import Field, Moment, SimulatorSpec
from rlvla.plugins.algorithms.grpo import GRPO
from rlvla.plugins.models.mlp import MLP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Array
    from rlvla.plugins.algorithms.surrogate import Level

    MakePolicy = Callable[..., Policy]
    MakeBatch = Callable[..., dict[str, Array]]

SPEC = SimulatorSpec(
    cameras={}, proprio=5, action_low=(-1.0,), action_high=(1.0,), max_steps=10, control_hz=10.0
)
MOMENT = Moment(0, 0, {})
LENGTHS = (1, 4, 2, 3, 5, 1)
"""Decisions of six episodes, of two groups."""
RETURNS = (1.0, 0.0, 0.0, 0.0, 1.0, 1.0)
SMALL: dict[str, Any] = {"group_size": 3, "batch_size": 6}


def rows_of(
    policy: Policy, make_batch: MakeBatch, *, drift: float = 0.3, lengths: tuple[int, ...] = LENGTHS
) -> dict[str, Array]:
    """Return decisions of episodes with these lengths, each paid at its end."""
    count = sum(lengths)
    rows = make_batch(policy, size=count, drift=drift)
    rows = {name: one for name, one in rows.items() if name not in ("advantage", "return")}
    rows["segment"] = np.repeat(np.arange(len(lengths)) + 100, lengths)
    rows["group"] = np.repeat([5, 2], 3).repeat(lengths)
    rows["version"] = np.zeros(count, np.int64)
    rows["reward"] = np.zeros(rows["valid"].shape, np.float32)
    rows["reward"][np.cumsum(lengths) - 1, 0] = RETURNS
    return rows


def gradient_of(
    algorithm: GRPO, policy: Policy, rows: dict[str, Array], *, parts: int = 1
) -> NDArray[np.float64]:
    """Return the gradient of a batch that is trained on in so many passes."""
    policy.module.zero_grad()
    batch = rows | dict(algorithm.complete(rows, policy))
    for index in np.array_split(np.arange(len(rows["valid"])), parts):
        part = {name: one[index] for name, one in batch.items()}
        loss, _ = algorithm.loss(policy, part, MOMENT)
        torch.autograd.backward([loss.sum() / algorithm.batch_size])
    grads = [one.grad for one in policy.module.parameters() if one.grad is not None]
    return np.concatenate([one.numpy().ravel() for one in grads])


def by_hand(
    policy: Policy, rows: dict[str, Array], *, aggregation: str, level: str
) -> NDArray[np.float64]:
    """Return the gradient of the objective as the docstring of the module states it, in loops."""
    policy.module.zero_grad()
    log_ratio = policy.evaluate(rows).log_prob - torch.from_numpy(rows["log_prob"])
    episodes = np.unique(rows["segment"])
    returns = {one: RETURNS[place] for place, one in enumerate(episodes)}
    tokens: list[list[torch.Tensor]] = []
    for episode in episodes:
        (mine,) = np.nonzero(rows["segment"] == episode)
        group = np.unique(rows["segment"][rows["group"] == rows["group"][mine[0]]])
        scores = np.array([returns[one] for one in group])
        advantage = (returns[episode] - scores.mean()) / (scores.std(ddof=1) + 1e-6)
        losses: list[torch.Tensor] = []
        for row in mine:
            for action in np.nonzero(rows["valid"][row])[0]:
                ratios = log_ratio[row, action].exp()
                if level == "action":
                    ratios = log_ratio[row, action].sum().exp().expand(len(ratios))
                low, high = -advantage * ratios, -advantage * ratios.clamp(0.8, 1.28)
                losses.append(torch.maximum(low, high).mean())
        tokens.append(losses)
    if aggregation == "trajectory":
        total = torch.stack([torch.stack(losses).mean() for losses in tokens]).mean()
    else:
        total = torch.stack([loss for losses in tokens for loss in losses]).mean()
    torch.autograd.backward([total])
    grads = [one.grad for one in policy.module.parameters() if one.grad is not None]
    return np.concatenate([one.numpy().ravel() for one in grads])


@pytest.mark.parametrize("level", ["token", "action"])
@pytest.mark.parametrize("aggregation", ["trajectory", "token"])
@pytest.mark.parametrize("parts", [1, 4])
def test_the_gradient_is_that_of_the_objective_however_the_batch_is_cut(
    make_policy: MakePolicy,
    make_batch: MakeBatch,
    level: Level,
    aggregation: Literal["trajectory", "token"],
    parts: int,
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1)
    rows = rows_of(policy, make_batch)
    algorithm = GRPO(**SMALL, ratio_level=level, aggregation=aggregation)
    gradient = gradient_of(algorithm, policy, rows, parts=parts)
    expected = by_hand(policy, rows, aggregation=aggregation, level=level)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7)


def test_the_mean_by_trajectory_is_not_that_by_token(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=1, elements=1, values=1)
    rows = rows_of(policy, make_batch)
    by = [GRPO(**SMALL, aggregation="trajectory"), GRPO(**SMALL, aggregation="token")]
    weights = [one.complete(rows, policy)["weight"] for one in by]
    np.testing.assert_allclose(weights[0], np.repeat(1 / np.array(LENGTHS), LENGTHS))
    np.testing.assert_allclose(weights[1], 6 / sum(LENGTHS))


def test_weights_of_groups_that_come_alone_are_those_that_they_have_in_the_batch(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1)
    rows = rows_of(policy, make_batch)
    algorithm = GRPO(**SMALL)
    assert not algorithm.whole
    together = algorithm.complete(rows, policy)
    alone = [
        algorithm.complete(
            {name: one[rows["group"] == group] for name, one in rows.items()}, policy
        )
        for group in (5, 2)
    ]
    for name, one in together.items():
        np.testing.assert_array_equal(one, np.concatenate([part[name] for part in alone]))


@pytest.mark.parametrize(
    "options", [{"aggregation": "token"}, {"std_level": "batch"}, {"mean_level": "batch"}]
)
def test_what_is_taken_among_the_batch_waits_for_it(options: dict[str, Any]) -> None:
    assert GRPO(**options).whole


def test_what_was_never_executed_changes_nothing(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1)
    rows = rows_of(policy, make_batch)
    algorithm = GRPO(**SMALL, entropy_coef=0.1, dual_clip=3.0)
    gradient = gradient_of(algorithm, policy, rows)
    poisoned = {name: one.copy() for name, one in rows.items()}
    poisoned["log_prob"][~rows["valid"]] = np.nan
    poisoned["reward"][~rows["valid"]] = np.nan
    poisoned["disturbance"] = np.where(rows["valid"], 0.0, np.nan)[..., None].repeat(2, 2)
    np.testing.assert_array_equal(gradient_of(algorithm, policy, poisoned), gradient)


def test_a_masked_group_weighs_nothing_and_leaves_the_others_as_they_are(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    """Of the groups, one has a mean return of 1/3, the other of 2/3."""
    policy = make_policy(chunk=1, elements=2, values=1)
    rows = rows_of(policy, make_batch)
    plain = GRPO(**SMALL).complete(rows, policy)["weight"]
    masked = GRPO(**SMALL, filter="mask", filter_high=0.5).complete(rows, policy)["weight"]
    np.testing.assert_array_equal(masked, np.where(rows["group"] == 5, plain, 0))


def test_at_equal_weights_the_first_step_is_reinforce(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=2, elements=2, values=1)
    rows = rows_of(policy, make_batch, drift=0.0)
    algorithm = GRPO(**SMALL)
    batch = rows | dict(algorithm.complete(rows, policy))
    _, metrics = algorithm.loss(policy, batch, MOMENT)
    np.testing.assert_allclose(metrics["ratio"], 1, atol=1e-12)
    np.testing.assert_array_equal(metrics["clip_fraction"], 0)


def test_resampling_is_left_to_who_plays_the_episodes() -> None:
    grouping = GRPO(group_size=4, filter="resample", filter_low=0.2, filter_high=0.7).grouping
    assert grouping.selects
    assert [grouping.keeps((0, 0, 0, one)) for one in (0.0, 1.0, 3.0)] == [False, True, False]
    for kind in ("none", "mask"):
        assert not GRPO(filter=kind).grouping.selects


def test_a_critic_is_left_as_it_is(make_policy: MakePolicy, make_batch: MakeBatch) -> None:
    policy = make_policy(chunk=1, elements=1, values=1)
    (group,) = GRPO(lr=0.1, weight_decay=0.2).parameter_groups(policy.module)
    parts = ("token_head.weight", "token_head.bias")
    assert group["params"] == [policy.module.get_parameter(part) for part in parts]
    assert (group["lr"], group["weight_decay"]) == (0.1, 0.2)
    rows = rows_of(policy, make_batch)
    gradient_of(GRPO(**SMALL), policy, rows)
    assert policy.module.get_parameter("value_head.weight").grad is None


def test_a_model_without_critic_is_accepted() -> None:
    GRPO().check(SPEC, {"log_prob": Field((3, 2), "float32")})


@pytest.mark.parametrize("options", [{}, {"aggregation": "token", "std_level": "batch"}])
def test_grpo_keeps_the_contract_of_an_algorithm(options: dict[str, Any]) -> None:
    check_algorithm(GRPO(group_size=4, batch_size=8, **options), MLP(), SPEC)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_size": 1}, "group_size must be at least 2, got 1"),
        ({"batch_size": 60}, "group_size must divide batch_size, 60, got 8"),
        ({"minibatches": 3}, "minibatches must divide batch_size, 64, got 3"),
        ({"clip_low": 1.5}, "clip_low must be between 0 and 1, got 1.5"),
        ({"dual_clip": 0.5}, "dual_clip must be at least 1, got 0.5"),
        ({"filter_low": 1.5}, "filter_low must be at most filter_high, 0.9, got 1.5"),
    ],
)
def test_options_out_of_range_are_explained(options: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        GRPO(**options)


@pytest.mark.parametrize(
    ("options", "model", "message"),
    [
        ({"temperature": 0.0}, {"log_prob": Field((1, 1), "f4")}, "temperature must be above 0"),
        ({}, {"value": Field((1,), "f4")}, "ratio_level needs a model that records log_prob"),
    ],
)
def test_contradictions_are_explained(
    options: Mapping[str, Any], model: dict[str, Field], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        GRPO(**options).check(SPEC, model)


def test_of_two_successes_the_quicker_is_worth_more_with_a_discount(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    """Episodes of the second group take 3, 5 and 1 decisions, the last two succeed."""
    policy = make_policy(chunk=1, elements=1, values=1)
    rows = rows_of(policy, make_batch)
    advantage = GRPO(**SMALL, gamma=0.5, std_level="none").complete(rows, policy)["advantage"]
    scores = np.array([0.0, 0.5**4, 1.0])
    mine = advantage[rows["group"] == 2, 0]
    np.testing.assert_allclose(mine, np.repeat(scores - scores.mean(), (3, 5, 1)), rtol=1e-6)
    plain = GRPO(**SMALL).complete(rows, policy)["advantage"][rows["group"] == 2, 0]
    assert plain[3] == plain[-1], "without one both are worth the same"


def test_a_decision_answers_for_what_it_and_later_ones_are_paid(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1)
    rows = rows_of(policy, make_batch)
    rng = np.random.default_rng(3)
    rows["reward"] = rng.normal(size=rows["valid"].shape).astype(np.float32)
    paid = np.where(rows["valid"], rows["reward"], 0).sum(1)
    advantage = GRPO(**SMALL, supervision="process", gamma=0.7).complete(rows, policy)["advantage"]
    for row, episode in enumerate(rows["segment"]):
        among = paid[rows["group"] == rows["group"][row]]
        later = [n for n, one in enumerate(rows["segment"]) if one == episode and n >= row]
        relative = (paid[later] - among.mean()) / among.std(ddof=1)
        expected = sum(0.7**n * one for n, one in enumerate(relative))
        assert advantage[row] == pytest.approx([expected], rel=1e-4, abs=1e-5)
