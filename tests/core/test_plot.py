from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvla.core.plot import Bar, Curve, bar_plot, compact, line_plot, ticks

numbers = st.floats(-1e12, 1e12).filter(lambda value: value == 0 or abs(value) > 1e-9)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.5, 1]),
        (0, 0.8, [0, 0.2, 0.4, 0.6, 0.8]),
        (-3, 187, [-50, 0, 50, 100, 150, 200]),
        (5, 5, [2, 4, 6, 8]),
        (0, 0, [-0.5, 0, 0.5]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == expected


@given(numbers, numbers)
def test_ticks_enclose_what_is_shown_and_are_few(one: float, other: float) -> None:
    low, high = sorted((one, other))
    found = ticks(low, high)
    slack = 1e-6 * max(abs(low), abs(high))
    assert found[0] <= low + slack
    assert found[-1] >= high - slack
    assert 2 <= len(found) <= 8
    assert found == sorted(set(found))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.05, "0.05"),
        (1500, "1.5k"),
        (200_000, "200k"),
        (3e6, "3M"),
        (-2e9, "-2G"),
        (1e13, "1e+13"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert compact(value) == text


def places(svg: str) -> list[list[tuple[float, float]]]:
    """Return the points of each line of a plot."""
    found = re.findall(r'<polyline[^>]* points="([^"]*)"', svg)
    pairs = [[place.split(",") for place in line.split()] for line in found]
    return [[(float(x), float(y)) for x, y in line] for line in pairs]


def test_a_rising_curve_goes_right_and_up_inside_the_frame() -> None:
    svg = line_plot(
        [Curve("loss", [(0, 1), (5, 2), (10, 4)])], x_label="update", y_label="train/<loss>"
    )
    ElementTree.fromstring(svg)
    assert "train/&lt;loss&gt;" in svg
    ((first, middle, last),) = places(svg)
    assert first[0] < middle[0] < last[0]
    assert first[1] > middle[1] > last[1]
    assert middle[0] - first[0] == last[0] - middle[0]
    assert all(0 <= x <= 460 and 0 <= y <= 230 for x, y in (first, middle, last))


def test_points_that_are_not_finite_are_left_out() -> None:
    points = [(0, 1.0), (1, float("nan")), (2, float("inf")), (3, 2.0)]
    (line,) = places(line_plot([Curve("loss", points)], x_label="x", y_label="y"))
    assert len(line) == 2
    assert line_plot([Curve("loss", points[1:3])], x_label="x", y_label="y") == ""


def test_a_long_curve_is_thinned_but_keeps_its_ends() -> None:
    points = [(step, step % 7) for step in range(10_001)]
    (line,) = places(line_plot([Curve("x", points)], x_label="x", y_label="y"))
    assert len(line) < 900
    assert (line[0][0], line[-1][0]) == (58.0, 448.0)


def test_a_single_point_is_seen() -> None:
    svg = line_plot([Curve("x", [(3, 0.5)])], x_label="x", y_label="y")
    assert svg.count("<circle") == 1


def test_the_band_encloses_its_curve() -> None:
    curve = Curve("success", [(0, 0.5), (10, 0.9)], [(0, 0.4, 0.6), (10, 0.8, 1.0)])
    svg = line_plot([curve], x_label="x", y_label="y")
    match = re.search(r'<polygon[^>]* points="([^"]*)"', svg)
    assert match
    corners = [tuple(map(float, place.split(","))) for place in match[1].split()]
    ((start, end),) = places(svg)
    assert corners[0][1] < start[1] < corners[3][1]
    assert corners[1][1] < end[1] < corners[2][1]


def test_bars_are_as_long_as_their_share_and_carry_their_interval() -> None:
    svg = bar_plot(
        [Bar("before", 0.25, "1/4", (0.05, 0.7)), Bar("after <b>", 0.5, "2/4")], label="success"
    )
    root = ElementTree.fromstring(svg)
    widths = [float(bar.attrib["width"]) for bar in root.iter("rect")]
    assert widths[1] == 2 * widths[0]
    assert svg.count('class="whisker"') == 1
    assert "after &lt;b&gt;" in svg
