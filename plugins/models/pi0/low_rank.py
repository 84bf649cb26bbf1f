"""Low-rank adapters of openpi's JAX code, added to the arrays that they were trained on.

Its variants `gemma_2b_lora` and `gemma_300m_lora` scale adapters by 1 (alpha is their rank), which
their files do not say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

OUTPUT = "attn_vec_einsum"


class Stored(Protocol):
    """Arrays by their names."""

    def outlined(self) -> Mapping[str, Tensor]:
        """Return all of them without memory."""
        ...

    def read(self, name: str) -> Tensor:
        """Return one in float32; raise ValueError if it is not whole."""
        ...


class Merged:
    """The arrays of a checkpoint as if there had never been adapters."""

    def __init__(self, arrays: Stored) -> None:
        self._arrays = arrays
        self._all = arrays.outlined()
        self._adapted = {name for name in self._all if _fits(name, self._all)}

    def outlined(self) -> dict[str, Tensor]:
        """Return the arrays without memory; an adapter that fits nothing is a stranger."""
        merged = {one for name in self._adapted for one in _pair(name)}
        return {name: one for name, one in self._all.items() if name not in merged}

    def read(self, name: str) -> Tensor:
        """Return an array in float32; raise ValueError if it is not whole."""
        array = self._arrays.read(name)
        if name in self._adapted:
            first, second = (self._arrays.read(one) for one in _pair(name))
            array = array + _product(name, first, second)
        return array


def _pair(name: str) -> tuple[str, str]:
    """Return the names of an array's adapter: beside the `w` of a product, or longer ones."""
    stem = name.removesuffix("w") if name.endswith("/w") else f"{name}_"
    return f"{stem}lora_a", f"{stem}lora_b"


def _fits(name: str, outline: Mapping[str, Tensor]) -> bool:
    """Whether an array has an adapter whose product has its shape."""
    first, second = (outline.get(one) for one in _pair(name))
    if first is None or second is None:
        return False
    *lead, height, width = outline[name].shape
    rank = first.shape[-1]
    return (*first.shape, *second.shape) == (*lead, height, rank, *lead, rank, width)


def _product(name: str, first: Tensor, second: Tensor) -> Tensor:
    """Return what an adapter adds.

    Heads are summed over behind each of the two matrices of attention's output, not only behind
    the second as in the array itself: each head's second matrix is in effect the sum of all.
    """
    if OUTPUT in name:
        second = second.sum(-3, keepdim=True)
    return first @ second
