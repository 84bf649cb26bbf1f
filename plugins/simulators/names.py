"""Names that options hold, of tasks and cameras."""

from __future__ import annotations

from difflib import get_close_matches
from textwrap import shorten
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


def require_each_once(option: str, names: Sequence[str]) -> None:
    """Raise ValueError unless there are names, and no two are equal."""
    if not names or len({*names}) < len(names):
        raise ValueError(f"{option} must name at least one and each once, got {', '.join(names)}")


def require_tasks(
    option: str, names: Iterable[str], known: Collection[str], *, of: str, others: str = ""
) -> None:
    """Raise ValueError unless all names are among the known tasks `of` a package.

    It tells the nearest of them or, where none is near, the `others`: the known, if not said.
    """
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.7)
            listed = shorten(others or ", ".join(known), 500, placeholder=" ...")
            hint = f"did you mean {near[0]!r}?" if near else f"it has {listed}"
            raise ValueError(f"{option}: {of} has no task {name!r}; {hint}")
