from __future__ import annotations

from rlvla.core.planning.chart import bar, bars


def test_bars_are_as_long_as_their_values() -> None:
    lines = [*bars([("8 async", 100.0), ("16 async", 50.0)], width=10)]
    assert lines == [" 8 async ██████████ 100", "16 async █████ 50"]


def test_a_bar_is_exact_to_an_eighth_of_a_character() -> None:
    assert bar(0.25 + 1 / 80, 10) == "██▋"


def test_nothing_is_no_bar() -> None:
    assert [*bars([("a", 0.0)], width=4)] == ["a  0"]
    assert [*bars([])] == []
