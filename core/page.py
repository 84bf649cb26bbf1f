"""The page of a report: its frame, style and elements, in light and dark, without scripts."""

from __future__ import annotations

from html import escape
from string import Template
from typing import TYPE_CHECKING

from rlvla.core.plot import compact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PAGE = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none';
 img-src 'self' file: data:; media-src 'self' file: data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header><h1>$title</h1>$status</header>
$body
<footer>Written by rlvla from the files of the run folder.</footer>
</body>
</html>
"""
)

STYLE = """
:root { --paper: #fff; --ink: #1c2128; --soft: #667080; --rule: #e4e7ec; --card: #f7f8fa;
  --c0: #2563eb; --c1: #d97706; --c2: #059669; --c3: #dc2626; --c4: #7c3aed; --c5: #0891b2; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171c; --ink: #e6e9ee; --soft: #98a2b3; --rule: #2b313a; --card: #1b2027;
    --c0: #6ea0ff; --c1: #f5b14c; --c2: #3fcf97; --c3: #ff7b72; --c4: #b69cff; --c5: #4cc9e0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 40px 24px 64px; background: var(--paper);
  color: var(--ink); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 8px 16px; }
h1 { font-size: 26px; letter-spacing: -.02em; margin: 0; }
h2 { font-size: 17px; margin: 44px 0 14px; padding-top: 14px; border-top: 1px solid var(--rule); }
h3 { font-size: 13px; font-weight: 600; margin: 0 0 6px; overflow-wrap: anywhere; }
p, footer { color: var(--soft); }
footer { margin-top: 56px; font-size: 13px; }
.status { padding: 2px 10px; border-radius: 99px; font-size: 13px; border: 1px solid currentColor; }
.good { color: var(--c2); } .bad { color: var(--c3); } .open { color: var(--c1); }
.tiles { display: grid; gap: 12px; margin-top: 26px;
  grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.tiles div, .plots figure { background: var(--card); border: 1px solid var(--rule);
  border-radius: 10px; padding: 14px 16px; margin: 0; min-width: 0; }
.tiles b { display: block; font-size: 24px; font-weight: 600; letter-spacing: -.02em;
  font-variant-numeric: tabular-nums; }
.tiles span { color: var(--soft); font-size: 13px; }
.plots { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); }
.legend { font-size: 12px; color: var(--soft); display: flex; flex-wrap: wrap; gap: 2px 14px; }
.legend i { display: inline-block; width: 14px; height: 3px; margin: 0 5px 3px 0;
  border-radius: 2px; background: var(--c); }
svg { display: block; width: 100%; height: auto; }
.grid { stroke: var(--rule); fill: none; }
.tick { fill: var(--soft); font-size: 11px; font-variant-numeric: tabular-nums; }
.label { fill: var(--soft); font-size: 11.5px; }
.name { fill: var(--ink); font-size: 12.5px; }
.line { fill: none; stroke: var(--c); stroke-width: 1.8; stroke-linejoin: round; }
.dot { fill: var(--c); } .band { fill: var(--c); opacity: .16; }
.bar { fill: var(--c0); opacity: .35; } .whisker { stroke: var(--ink); stroke-width: 1.6; }
.c0 { --c: var(--c0); } .c1 { --c: var(--c1); } .c2 { --c: var(--c2); }
.c3 { --c: var(--c3); } .c4 { --c: var(--c4); } .c5 { --c: var(--c5); }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 22px 5px 0; border-bottom: 1px solid var(--rule);
  vertical-align: top; overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 500; } td.number { text-align: right; }
.scroll { overflow-x: auto; }
pre { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 16px;
  overflow-x: auto; font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
img, video { max-width: 100%; border-radius: 6px; image-rendering: pixelated; }
@media print { body { max-width: none; } figure { break-inside: avoid; } }
"""


def section(title: str, content: str) -> str:
    """Return a part of the page; nothing if it holds nothing."""
    return f"<section><h2>{title}</h2>{content}</section>" if content else ""


def figure(title: str, content: str, legend: str = "") -> str:
    """Return a plot or picture under its title; nothing if there is none."""
    note = f'<figcaption class="legend">{legend}</figcaption>' if legend else ""
    return f"<figure><h3>{escape(title)}</h3>{content}{note}</figure>" if content else ""


def table(lines: Iterable[Sequence[object]], head: Sequence[str] = ()) -> str:
    """Return a table of these lines; nothing if there are none."""
    body = "".join(f"<tr>{''.join(map(_cell, line))}</tr>" for line in lines)
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f'<div class="scroll"><table><tr>{top}</tr>{body}</table></div>' if body else ""


def _cell(value: object) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f'<td class="number">{number(value)}</td>'
    return f"<td>{escape('not installed' if value is None else str(value))}</td>"


def number(value: object) -> str:
    """Return a value as it is shown, safe to be put into a page."""
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\N{THIN SPACE}")
    return escape(compact(value) if isinstance(value, float) else str(value))
