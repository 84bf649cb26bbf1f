"""Checks of proximal policies and corrections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.testing.conformance import check_description, expect
from rlvla.core.testing.rows import decide, observations
from rlvla.core.types import Training

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from rlvla.core.interfaces import Correction, Follower, Model, Policy, Proximal
    from rlvla.core.types import Array, Arrays, SimulatorSpec

ROWS, NAME = 6, "checked"


def check_proximal(proximal: Proximal, model: Model, spec: SimulatorSpec) -> None:
    """Check a proximal policy beside a model's policy, fresh from its seed."""
    check_description(proximal)
    policy = model.build(spec, seed=0)
    training = Training(policy=policy, steps=2, micro_batch_size=4, max_staleness=1)
    follower, second = (proximal.follow(training, NAME) for _ in range(2))
    expect(
        "follow must return None if, and only if, decoupled is false",
        holds=(follower is not None) == proximal.decoupled,
    )
    if follower is not None and second is not None:
        seen = observations(spec, rows=ROWS)
        rows = {**seen, **decide(policy, seen), "version": np.zeros(ROWS, np.int64)}
        _check_first(follower, policy, rows)
        made = np.full(ROWS, int(proximal.sees_within == 0))  # else it may see them too late
        _check_state(follower, second, policy, {**rows, "version": made})


def check_correction(correction: Correction) -> None:
    """Check a correction on made-up weights of decisions of 3 actions of 2 tokens."""
    import torch

    check_description(correction)
    random = np.random.default_rng(0)
    valid = torch.from_numpy(random.random((ROWS, 3)) < 0.8)
    drawn = torch.from_numpy(random.normal(size=(ROWS, 3, 2)))
    log_weight = drawn.where(valid[:, :, None], 0.0)
    whole = _weights(correction, log_weight, valid)
    parts = [_weights(correction, log_weight[i : i + 1], valid[i : i + 1]) for i in range(ROWS)]
    expect(
        "the weights of a decision must not depend on the micro-batch that it is in",
        holds=np.allclose(whole, np.concatenate(parts), rtol=1e-6),
    )
    same = _weights(correction, torch.zeros(ROWS, 3, 2), None)
    expect("weights of 1 must be left as they are", holds=(same == 1).all())


def _weights(correction: Correction, log_weight: Tensor, valid: Tensor | None) -> Array:
    bounded = correction.bounded(log_weight, valid)
    try:
        weights: Array = bounded.expand_as(log_weight).exp().numpy()
    except RuntimeError:
        shapes = f"{list(bounded.shape)} does not fit {list(log_weight.shape)}"
        expect(f"bounded must return log-weights that broadcast: {shapes}", holds=False)
        raise
    expect(
        "bounded must return no NaN and no weight without bound", holds=np.isfinite(weights).all()
    )
    return weights


def _check_first(follower: Follower, policy: Policy, rows: dict[str, Array]) -> None:
    """Check the first update, at which behaviour, proximal and present policy are the same."""
    before = _parameters(policy)
    follower.begin(0)
    scored = _scored(follower, policy, rows, 0)
    expect(
        "at the first update the log-probabilities must be those of the record",
        holds=np.allclose(scored, rows["log_prob"], atol=1e-4),
    )
    after = _parameters(policy)
    expect(
        "a follower must leave the weights as they are",
        holds=all(np.array_equal(before[name], after[name]) for name in before),
    )


def _check_state(
    follower: Follower, second: Follower, policy: Policy, rows: dict[str, Array]
) -> None:
    """Check that another one goes on from the state."""
    import torch

    with torch.no_grad():
        for parameter in policy.module.parameters():
            parameter.mul_(1.01)
    follower.step({})
    follower.begin(1)
    second.restore({name: one.clone() for name, one in follower.state().items()})
    first, again = (_scored(one, policy, rows, 1) for one in (follower, second))
    expect(
        "what restores a state must go on with the same log-probabilities",
        holds=np.array_equal(first, again),
    )


def _scored(follower: Follower, policy: Policy, rows: Arrays, version: int) -> Array:
    added = follower.arrive(rows)
    for name, field in added.items():
        expect(
            f"field {name!r} must begin with the name that the policy has, {NAME + '/'!r}",
            holds=name.startswith(f"{NAME}/"),
        )
        expect(
            f"field {name!r} must have one entry a decision, {ROWS}, it has {len(field)}",
            holds=len(field) == ROWS,
        )
    current = policy.evaluate(rows).log_prob.detach()
    scored = follower.log_prob({**rows, **added}, current, version)
    shapes = f"{list(current.shape)}, it is {list(scored.shape)}"
    expect(f"log_prob must be {shapes}", holds=scored.shape == current.shape)
    expect("log_prob must have no gradient", holds=not scored.requires_grad)
    return scored.numpy()


def _parameters(policy: Policy) -> Mapping[str, Array]:
    return {name: one.detach().numpy().copy() for name, one in policy.module.named_parameters()}
