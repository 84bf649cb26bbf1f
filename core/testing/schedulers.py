"""Checks of batching and sharding rules."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from rlvla.core.testing.conformance import check_description, expect

if TYPE_CHECKING:
    from rlvla.core.interfaces import Batching, Sharding

WAITS = (0.0, 0.5, 1.0, 10.0, 1e3, 1e6)
"""Times in milliseconds that a request has waited."""


def check_batching(rule: Batching) -> None:
    """Check that a batching rule is pure, serves what is there and lets nobody wait for ever."""
    check_description(rule)
    for active, waited in product((1, 2, 7, 64), WAITS):
        for waiting in range(1, active + 1):
            _check_take(rule, waiting, active, waited)
    for lanes in (1, 2, 7, 64):
        _check_progress(rule, lanes)


def check_sharding(rule: Sharding) -> None:
    """Check that a sharding rule gives every lane to exactly one worker.

    It may refuse a number of lanes with ValueError, but not all that were tried.
    """
    check_description(rule)
    served = [lanes for lanes in (1, 2, 3, 5, 8, 16, 64, 96, 128) if _splits(rule, lanes)]
    expect("split must accept some number of lanes between 1 and 128", holds=served)


def _check_take(rule: Batching, waiting: int, active: int, waited: float) -> None:
    case = f"take(waiting={waiting}, active={active}, waited_ms={waited:g})"
    taken = rule.take(waiting, active, waited)
    expect(f"{case} must be from 0 to {waiting}, it is {taken}", holds=0 <= taken <= waiting)
    again = rule.take(waiting, active, waited)
    expect(f"{case} must be pure, it is {taken}, then {again}", holds=taken == again)
    patience = rule.patience_ms(waited)
    expect(
        f"patience_ms({waited:g}) must be None or at least 0, it is {patience}",
        holds=patience is None or patience >= 0,
    )


def _check_progress(rule: Batching, lanes: int) -> None:
    """Let all lanes wait, with the clock moving as the rule asks, until they are served."""
    waiting, waited = lanes, 0.0
    for _ in range(10 * lanes + 10):
        taken = rule.take(waiting, lanes, waited)
        waiting, waited = waiting - taken, 0.0 if taken else waited
        if not waiting:
            return
        lanes -= taken  # those that were served stay away
        if not taken:
            waited += rule.patience_ms(waited) or 0.0
    expect(f"{waiting} lanes wait for ever, although no other lane can come", holds=False)


def _splits(rule: Sharding, lanes: int) -> bool:
    try:
        shards = rule.split(lanes)
    except ValueError:
        return False
    dealt = sorted(lane for shard in shards for lane in shard)
    expect(
        f"split({lanes}) must give every lane to exactly one worker, it gives {shards}",
        holds=dealt == [*range(lanes)] and all(len(shard) for shard in shards),
    )
    return True
