"""Checks of algorithms: each decision has its own loss, whatever it is batched with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.testing.conformance import check_description, expect
from rlvla.core.testing.rows import decide, observations, results
from rlvla.core.types import Moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from rlvla.core.interfaces import Algorithm, Model, Policy
    from rlvla.core.types import Array, Arrays, Score, SimulatorSpec

ROWS = 6


def check_algorithm(algorithm: Algorithm, model: Model, spec: SimulatorSpec) -> None:
    """Check an algorithm on made-up decisions of a model's policy, fresh from its seed."""
    from rlvla.core.followers import follow

    check_description(algorithm)
    _check_numbers(algorithm)
    algorithm.check(spec, model.decision_fields(spec))
    policy = model.build(spec, seed=0)
    _check_groups(algorithm, policy)
    segments = 1 if algorithm.grouping is None else algorithm.grouping.size
    count = ROWS * segments
    seen = observations(spec, rows=count)
    decided = decide(policy, seen)
    rows = {**seen, **decided, **results(decided)}
    rows |= {"version": np.zeros(count, np.int64), "segment": np.repeat(np.arange(segments), ROWS)}
    rows["group"] = np.full(count, -1 if segments == 1 else 7, np.int64)
    rows |= _targets(algorithm, rows)
    followers = follow(policy, algorithm, max_staleness=0)
    followers.begin(0)
    rows |= followers.arrive(rows)
    completed = {**rows, **algorithm.complete(rows, policy)}
    _check_loss(algorithm, policy, completed, followers.scores)


def _check_numbers(algorithm: Algorithm) -> None:
    batch, micro = algorithm.batch_size, algorithm.micro_batch_size
    parts, grouping = algorithm.minibatches, algorithm.grouping
    unit = micro if grouping is None else grouping.size
    name = "micro_batch_size" if grouping is None else "the size of groups"
    expect(
        f"{name} {unit} must divide batch_size {batch}",
        holds=unit >= 1 and batch >= 1 and batch % unit == 0,
    )
    whole = 1 if grouping is not None else micro
    expect(
        f"minibatches {parts} must divide batch_size {batch} into whole micro-batches",
        holds=parts == 1 or (parts > 1 and batch % (parts * whole) == 0),
    )
    expect(f"epochs must be at least 1, it is {algorithm.epochs}", holds=algorithm.epochs >= 1)
    expect("max_grad_norm must be positive", holds=algorithm.max_grad_norm > 0)
    expect("demonstrations must be at least 0", holds=algorithm.demonstrations >= 0)
    for update in (0, 1, 1000):
        scale = algorithm.lr_scale(update)
        expect(f"lr_scale({update}) must be at least 0, it is {scale}", holds=scale >= 0)


def _check_groups(algorithm: Algorithm, policy: Policy) -> None:
    groups = algorithm.parameter_groups(policy.module)
    ids = [id(one) for group in groups for one in _parameters(group)]
    trainable = {id(one) for one in policy.module.parameters() if one.requires_grad}
    expect(
        "parameter_groups must give each group an 'lr'", holds=all("lr" in one for one in groups)
    )
    expect("parameter_groups must name no parameter twice", holds=len({*ids}) == len(ids) > 0)
    expect("parameter_groups must name trainable parameters only", holds={*ids} <= trainable)


def _parameters(group: dict[str, object]) -> list[object]:
    parameters = group["params"]
    expect("the 'params' of a parameter group must be a list", holds=isinstance(parameters, list))
    return [*parameters] if isinstance(parameters, list) else []


def _targets(algorithm: Algorithm, rows: Arrays) -> Arrays:
    count = len(rows["segment"])
    parts = [
        _targets_of(algorithm, _rows(rows, one))
        for one in np.split(np.arange(count), count // ROWS)
    ]
    targets = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
    for name in targets:
        expect(f"target {name!r} must not take the name of a field", holds=name not in rows)
    for name in algorithm.normalised:
        expect(f"normalised names {name!r}, which targets lacks", holds=name in targets)
    return targets


def _targets_of(algorithm: Algorithm, segment: Arrays) -> Arrays:
    values = segment["value"].shape[1:] if "value" in segment else (0,)
    targets = algorithm.targets(segment, np.zeros((ROWS, *values), np.float32))
    for name, target in targets.items():
        expect(
            f"target {name!r} must have one entry a decision, {ROWS}, it has {len(target)}",
            holds=len(target) == ROWS,
        )
    return targets


def _check_loss(
    algorithm: Algorithm, policy: Policy, batch: Arrays, scores: Mapping[str, Score]
) -> None:
    moment = Moment(0, 1_000_000, dict.fromkeys(algorithm.normalised, (0.0, 1.0)), scores)
    loss = _loss(algorithm, policy, batch, moment)
    expect("the loss must be finite for every decision", holds=bool(loss.isfinite().all()))
    expect("the loss must have a gradient", holds=loss.requires_grad)
    order = np.arange(len(batch["segment"]))[::-1]
    parts = [
        _loss(algorithm, policy, _rows(batch, index), moment) for index in np.split(order, [2])
    ]
    apart = np.concatenate([part.detach().numpy() for part in parts])[::-1]
    expect(
        "the loss of a decision must not depend on the micro-batch that it is in",
        holds=np.allclose(loss.detach().numpy(), apart, rtol=1e-4, atol=1e-5),
    )


def _loss(algorithm: Algorithm, policy: Policy, batch: Arrays, moment: Moment) -> Tensor:
    """Return the losses [B], after a look at their shape and that of the metrics."""
    loss, metrics = algorithm.loss(policy, batch, moment)
    rows = len(batch["action"])
    for name, one in {"the loss": loss, **metrics}.items():
        expect(
            f"{name} must have one entry a decision, [{rows}], it has {list(one.shape)}",
            holds=tuple(one.shape) == (rows,),
        )
    return loss


def _rows(batch: Arrays, index: Array) -> Arrays:
    return {name: one[index] for name, one in batch.items()}
