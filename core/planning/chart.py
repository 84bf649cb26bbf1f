"""Bars made of characters, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EIGHTHS = " ▏▎▍▌▋▊▉"


def bars(rows: Sequence[tuple[str, float]], *, width: int = 50) -> Iterator[str]:
    """Yield one line per name and value; the largest value has a bar of `width` characters."""
    most = max((value for _, value in rows), default=0.0) or 1.0
    indent = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        yield f"{name:>{indent}} {bar(value / most, width)} {value:.4g}"


def bar(share: float, width: int) -> str:
    """Return a bar as long as a share, 0 to 1, of `width` characters, to an eighth of one."""
    whole, rest = divmod(round(share * width * 8), 8)
    return f"{'█' * whole}{EIGHTHS[rest] if rest else ''}"
