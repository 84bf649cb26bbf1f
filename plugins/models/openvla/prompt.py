"""Instructions as token ids, many at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.types import decode_instruction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.plugins.models.openvla.tokenizer import Tokenizer


@dataclass(frozen=True)
class Prompts:
    """Prompts of a batch, aligned at their ends so that all are answered at the same place."""

    ids: NDArray[np.int64]
    """[B, T]; 0 before a prompt that is shorter than the longest."""
    lengths: NDArray[np.int64]
    """[B]."""


class Prompter:
    """Puts instructions into the prompt and tokenizes them, each only once."""

    def __init__(self, tokenizer: Tokenizer, prompt: str, *, multiple: int = 1) -> None:
        self._tokenizer = tokenizer
        self._prompt = prompt
        self._multiple = multiple
        self._ids = lru_cache(maxsize=4096)(self._encode)

    def __call__(self, instructions: NDArray[np.uint8]) -> Prompts:
        """Return the prompts of uint8 [B, INSTRUCTION_BYTES]."""
        return align([self._ids(row.tobytes()) for row in instructions], self._multiple)

    def _encode(self, row: bytes) -> list[int]:
        task = decode_instruction(np.frombuffer(row, np.uint8)).lower()
        return self._tokenizer.encode(self._prompt.replace("{task}", task))


def align(rows: list[list[int]], multiple: int = 1) -> Prompts:
    """Return token ids of different lengths as one batch, as long as a multiple of `multiple`."""
    lengths = np.array([len(row) for row in rows], np.int64)
    ids = np.zeros((len(rows), -(-int(lengths.max()) // multiple) * multiple), np.int64)
    for i, row in enumerate(rows):
        ids[i, ids.shape[1] - len(row) :] = row
    return Prompts(ids, lengths)
