"""Instructions, and states if they are discrete, as token ids."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.types import decode_instruction

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from rlvla.plugins.models.pi0.tokenizer import Tokenizer

EDGES = np.linspace(-1, 1, 257)[:-1]
"""Lower edges of the 256 bins of a state between -1 and 1."""


@dataclass(frozen=True)
class Prompts:
    """Prompts of a batch."""

    ids: NDArray[np.int64]
    """[B, T]; 0 after a prompt that is shorter than the longest."""
    valid: NDArray[np.bool_]
    """[B, T]."""


class Prompter:
    """Makes the prompts of a policy; each instruction alone is tokenized only once.

    pi0: the task and a new line, tokenized apart, as the new line is what the answer follows.
    pi0.5: `Task: ..., State: ...;` and `Action: ` on a new line, the state as 256 bins.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, room: int, discrete: bool, multiple: int = 1
    ) -> None:
        self._tokenizer = tokenizer
        self._room = room
        self._discrete = discrete
        self._multiple = multiple
        self._ids = lru_cache(maxsize=4096)(self._without_state)

    def __call__(
        self, instructions: NDArray[np.uint8], states: NDArray[np.floating[Any]]
    ) -> Prompts:
        """Return the prompts of uint8 [B, INSTRUCTION_BYTES] and normalised states [B, n].

        A prompt that is longer than there is room loses its end.
        """
        texts = [row.tobytes() for row in instructions]
        if not self._discrete:
            return _aligned([self._ids(text) for text in texts], self._multiple)
        rows = [self._with_state(*pair) for pair in zip(texts, states, strict=True)]
        return _aligned(rows, self._multiple)

    def _without_state(self, row: bytes) -> list[int]:
        encode = self._tokenizer.encode
        return [self._tokenizer.bos, *encode(_task(row)), *encode("\n")][: self._room]

    def _with_state(self, row: bytes, state: NDArray[np.floating[Any]]) -> list[int]:
        bins = " ".join(map(str, np.digitize(state, EDGES) - 1))
        prompt = f"Task: {_task(row)}, State: {bins};\nAction: "
        return [self._tokenizer.bos, *self._tokenizer.encode(prompt)][: self._room]


def _task(row: bytes) -> str:
    text = decode_instruction(np.frombuffer(row, np.uint8))
    return text.strip().replace("_", " ").replace("\n", " ")


def _aligned(rows: list[list[int]], multiple: int) -> Prompts:
    lengths = np.array([len(row) for row in rows])
    valid = np.arange(-(-int(lengths.max()) // multiple) * multiple) < lengths[:, None]
    ids = np.zeros(valid.shape, np.int64)
    ids[valid] = np.concatenate(rows)
    return Prompts(ids, valid)
