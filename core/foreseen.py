"""What was found of decisions before the weights that made them changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rlvla.core.types import Array, Arrays


class Foreseen:
    """Fields of decisions that wait in their slots, until their rows reach the trainer.

    What a decision that was dropped leaves behind is never taken for another's: whoever gets its
    slot is decided by other weights.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[int, Arrays]] = {}

    def keep(self, slots: Sequence[int], versions: Iterable[int], fields: Arrays) -> None:
        """Keep the fields of the decisions in `slots`, stacked like these."""
        for index, (slot, version) in enumerate(zip(slots, versions, strict=True)):
            self._kept[slot] = version, {name: one[index] for name, one in fields.items()}

    def joined(
        self, slots: Sequence[int], rows: Arrays, see: Callable[[Arrays], Arrays]
    ) -> dict[str, Array]:
        """Return the fields of rows, those kept and what `see` finds of the others; forget them."""
        known = [
            self._take(slot, version)
            for slot, version in zip(slots, rows["version"].tolist(), strict=False)
        ]
        if not any(known):
            return dict(see(rows))
        fresh = [index for index, one in enumerate(known) if one is None]
        found: Arrays = see({name: one[fresh] for name, one in rows.items()}) if fresh else {}
        for place, index in enumerate(fresh):
            known[index] = {name: one[place] for name, one in found.items()}
        whole = [one for one in known if one is not None]
        return {name: np.stack([one[name] for one in whole]) for name in whole[0]}

    def nbytes(self, prefix: str) -> int:
        """Return how much the fields that begin with `prefix` take."""
        kept = (fields for _, fields in self._kept.values())
        return sum(
            one.nbytes for fields in kept for name, one in fields.items() if name.startswith(prefix)
        )

    def _take(self, slot: int, version: int) -> Arrays | None:
        made, fields = self._kept.get(slot, (-1, None))
        if made != version:
            return None
        del self._kept[slot]
        return fields
