"""Plots as inline SVG, coloured by the style sheet of the page that holds them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

WIDTH, HEIGHT = 460, 230
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 10, 38
MAX_POINTS = 400
"""A curve is thinned to about so many points."""
ROW = 34
"""Height of one bar with its text."""
BARS_LEFT, BARS_RIGHT = 150, 130


@dataclass(frozen=True)
class Curve:
    """A named series; points that are not finite are left out."""

    name: str
    points: Sequence[tuple[float, float]]
    """x and y."""
    band: Sequence[tuple[float, float, float]] = ()
    """x, lowest and highest y: how sure the curve is."""


@dataclass(frozen=True)
class Bar:
    """A share from 0 to 1 with its name, its text and perhaps an interval."""

    name: str
    value: float
    text: str
    interval: tuple[float, float] | None = None


def line_plot(curves: Sequence[Curve], *, x_label: str, y_label: str) -> str:
    """Return an SVG with axes, labels and one line per curve; without any point an empty text."""
    shown = [_finite(curve) for curve in curves]
    xs = [x for curve in shown for x, _ in curve.points]
    ys = [y for curve in shown for _, y in curve.points]
    ys += [y for curve in shown for _, *bounds in curve.band for y in bounds]
    if not xs:
        return ""
    x_ticks, y_ticks = ticks(min(xs), max(xs)), ticks(min(ys), max(ys))
    across = _scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    up = _scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
    inside = [tick for tick in x_ticks if min(xs) <= tick <= max(xs)]
    parts = [
        *(_horizontal(up(tick), compact(tick)) for tick in y_ticks),
        *(_text(across(tick), HEIGHT - BOTTOM + 15, compact(tick), "middle") for tick in inside),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 5, x_label, "middle", kind="label"),
        _upright(12, (TOP + HEIGHT - BOTTOM) / 2, y_label),
        *(_band(curve, number, across, up) for number, curve in enumerate(shown) if curve.band),
        *(_line(curve, number, across, up) for number, curve in enumerate(shown)),
    ]
    return _svg(parts, HEIGHT, f"{y_label} over {x_label}")


def bar_plot(bars: Sequence[Bar], *, label: str) -> str:
    """Return an SVG with one horizontal bar per share, on an axis from 0 to 100 %."""
    height = ROW * len(bars) + 36
    across = _scale(0, 1, BARS_LEFT, WIDTH - BARS_RIGHT)
    parts = [_vertical(across(share), height - 32, f"{share:.0%}") for share in (0, 0.5, 1)]
    parts.append(_text(across(0.5), height - 2, label, "middle", kind="label"))
    for number, bar in enumerate(bars):
        parts += _bar(bar, ROW * number + ROW / 2, across)
    return _svg(parts, height, label)


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers, evenly spaced, that enclose `low` and `high`; at least two."""
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(unit for unit in (1, 2, 5, 10) if unit * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def compact(value: float) -> str:
    """Return a number in few characters: `0.05`, `1.5k`, `200k`, `3M`, `1e-05`."""
    for limit, unit in ((1e12, ""), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.4g}{unit}" if unit else f"{value:.3g}"
    return f"{value:.4g}"


def _finite(curve: Curve) -> Curve:
    points = [point for point in curve.points if all(map(math.isfinite, point))]
    stride = max(1, len(points) // MAX_POINTS)
    thinned = points[:-1:stride] + points[-1:]
    return Curve(curve.name, thinned, [row for row in curve.band if all(map(math.isfinite, row))])


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    if high == low:
        return lambda _: (start + end) / 2
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _svg(parts: Iterable[str], height: int, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str, *, kind: str = "tick") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(text)}</text>'


def _upright(x: float, y: float, text: str) -> str:
    return f'<g transform="rotate(-90 {x} {y})">{_text(x, y, text, "middle", kind="label")}</g>'


def _horizontal(y: float, text: str) -> str:
    line = f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
    return line + _text(LEFT - 6, y + 4, text, "end")


def _vertical(x: float, bottom: float, text: str) -> str:
    return f'<path class="grid" d="M{x:.1f} 4V{bottom}"/>' + _text(x, bottom + 14, text, "middle")


def _line(
    curve: Curve, number: int, across: Callable[[float], float], up: Callable[[float], float]
) -> str:
    places = [f"{across(x):.1f},{up(y):.1f}" for x, y in curve.points]
    line = f'<polyline class="line c{number % 6}" points="{" ".join(places)}"/>'
    if len(places) > 12:
        return line
    dots = [place.split(",") for place in places]
    circles = [f'<circle class="dot c{number % 6}" cx="{x}" cy="{y}" r="3"/>' for x, y in dots]
    return line + "".join(circles)


def _band(
    curve: Curve, number: int, across: Callable[[float], float], up: Callable[[float], float]
) -> str:
    there = [f"{across(x):.1f},{up(high):.1f}" for x, _, high in curve.band]
    back = [f"{across(x):.1f},{up(low):.1f}" for x, low, _ in reversed(curve.band)]
    return f'<polygon class="band c{number % 6}" points="{" ".join(there + back)}"/>'


def _bar(bar: Bar, middle: float, across: Callable[[float], float]) -> list[str]:
    start, end = across(0), across(min(max(bar.value, 0.0), 1.0))
    box = f'x="{start:.1f}" y="{middle - 9:.1f}" width="{end - start:.1f}" height="18" rx="3"'
    parts = [
        _text(BARS_LEFT - 10, middle + 4, bar.name, "end", kind="name"),
        f'<rect class="bar" {box}/>',
        _text(WIDTH - BARS_RIGHT + 12, middle + 4, bar.text, "start", kind="name"),
    ]
    if bar.interval:
        low, high = (across(bound) for bound in bar.interval)
        caps = "".join(f"M{x:.1f} {middle - 6:.1f}v12" for x in (low, high))
        parts.append(f'<path class="whisker" d="M{low:.1f} {middle:.1f}H{high:.1f}{caps}"/>')
    return parts
