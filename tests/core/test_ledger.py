from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvla.core.ledger import Ledger

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("produce"), st.integers(1, 9)),
        st.tuples(st.just("train"), st.integers(0, 9)),
        st.tuples(st.sampled_from(["crash", "nan", "unused"]), st.integers(0, 9)),
    ),
    max_size=60,
)


def _apply(ledger: Ledger, event: str, decisions: int) -> None:
    if event == "produce":
        for _ in range(decisions):
            ledger.produce()
    elif event == "train":
        ledger.train(min(decisions, ledger.in_flight))
    else:
        ledger.drop(min(decisions, ledger.in_flight), event)


@given(events=EVENTS)
def test_every_decision_is_in_exactly_one_account_after_every_event(
    events: list[tuple[str, int]],
) -> None:
    ledger = Ledger()
    for event, decisions in events:
        before = ledger.counts()
        _apply(ledger, event, decisions)
        counts = ledger.counts()
        ends = [count for name, count in counts.items() if name not in ("produced", "in_flight")]
        assert counts["produced"] == counts["in_flight"] + sum(ends)
        assert ledger.balanced()
        assert all(counts[name] >= before[name] for name in before if name != "in_flight")
        assert Ledger(counts).counts() == counts


@pytest.mark.parametrize("account", ["train", "drop"])
def test_a_decision_that_is_not_in_flight_cannot_end(account: str) -> None:
    ledger = Ledger()
    ledger.produce()
    with pytest.raises(ValueError, match=r"^2 decisions end, but only 1 are in flight$"):
        ledger.train(2) if account == "train" else ledger.drop(2, "crash")
    assert ledger.counts() == {"produced": 1, "trained": 0, "in_flight": 1}


def test_counters_that_lost_a_decision_are_not_balanced() -> None:
    assert Ledger({"produced": 5, "trained": 3, "in_flight": 1, "dropped_nan": 1}).balanced()
    assert not Ledger({"produced": 5, "trained": 3, "in_flight": 1}).balanced()
