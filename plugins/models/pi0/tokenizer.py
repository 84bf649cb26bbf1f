"""Text to token ids: a fixed word list for small models, or a checkpoint's file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tokenizers import Tokenizer as TokenizerFile

from rlvla.plugins.models.pieces import FILE as PIECES_FILE
from rlvla.plugins.models.pieces import Pieces
from rlvla.plugins.models.words import FIRST_WORD, WORDS, WordTokenizer

if TYPE_CHECKING:
    from pathlib import Path

FILE = "tokenizer.json"
PIECES = ("task:", ", state:", ";\naction:", "\n")
NUMBERS = tuple(str(number) for number in range(256))


class Tokenizer(Protocol):
    """Turns a prompt into token ids."""

    @property
    def bos(self) -> int:
        """What every prompt begins with."""
        ...

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, without BOS."""
        ...

    def save(self, directory: Path) -> None:
        """Write what a checkpoint needs to have this tokenizer."""
        ...


class SmallTokenizer(WordTokenizer):
    """Words, and the bins of a state, one token each."""

    def __init__(self) -> None:
        super().__init__(PIECES, NUMBERS)

    def save(self, directory: Path) -> None:
        """Write nothing: `config.json` says that prompts are words."""


def numbers() -> slice:
    """Return the ids of the bins of a state, among those of small models."""
    first = FIRST_WORD + len(PIECES) + len(WORDS)
    return slice(first, first + len(NUMBERS))


def tokenizer_in(directory: Path) -> Tokenizer:
    """Return PaliGemma's tokenizer, which openpi and lerobot leave to the user.

    Raise ValueError if neither of its files is there.
    """
    if (directory / FILE).is_file():
        return FileTokenizer(directory / FILE)
    if (directory / PIECES_FILE).is_file():
        return Pieces(directory / PIECES_FILE)
    raise ValueError(
        f"checkpoint has no {FILE} or {PIECES_FILE} in {directory}, which its prompts need; copy "
        "that of google/paligemma-3b-pt-224 there"
    )


class FileTokenizer:
    """PaliGemma's `tokenizer.json`."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = TokenizerFile.from_file(str(path))
        bos = self._tokenizer.token_to_id("<bos>")
        if bos is None:
            raise ValueError(f"checkpoint's {path} has no token <bos>: it is not PaliGemma's")
        self.bos: int = bos

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, without BOS."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def save(self, directory: Path) -> None:
        """Write `tokenizer.json`."""
        self._tokenizer.save(str(directory / FILE))
