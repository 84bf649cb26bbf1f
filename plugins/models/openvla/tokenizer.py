"""Text to token ids, without BOS: a fixed word list for small models, or a checkpoint's file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tokenizers import Tokenizer as TokenizerFile

from rlvla.plugins.models.pieces import FILE as PIECES_FILE
from rlvla.plugins.models.pieces import Pieces
from rlvla.plugins.models.words import WordTokenizer

if TYPE_CHECKING:
    from pathlib import Path

FILE = "tokenizer.json"
SPACE_PIECE = 29871
"""The published prompt ends in this id: the lone word boundary of Llama's vocabulary."""

PIECES = ("in: what action should the robot take to", "?\nout:")
"""The two halves of the published prompt are one token each: short prompts are fast prompts."""


class Tokenizer(Protocol):
    """Turns a prompt into token ids."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, without BOS."""
        ...

    def save(self, directory: Path) -> None:
        """Write what a checkpoint needs to have this tokenizer."""
        ...


class SmallTokenizer(WordTokenizer):
    """Words, the tokenizer of small models."""

    def __init__(self) -> None:
        super().__init__(PIECES)

    def save(self, directory: Path) -> None:
        """Write nothing: `config.json` says that prompts are words."""


class FileTokenizer:
    """The `tokenizer.json` of a checkpoint, or Llama's `tokenizer.model`."""

    def __init__(self, path: Path) -> None:
        self._file = Pieces(path) if path.name == PIECES_FILE else JsonFile(path)

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, with the word boundary that training ended prompts in."""
        ids = self._file.encode(text)
        return ids if ids[-1:] == [SPACE_PIECE] else [*ids, SPACE_PIECE]

    def save(self, directory: Path) -> None:
        """Write the file."""
        self._file.save(directory)


class JsonFile:
    """A `tokenizer.json`."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = TokenizerFile.from_file(str(path))

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, without BOS."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def save(self, directory: Path) -> None:
        """Write `tokenizer.json`."""
        self._tokenizer.save(str(directory / FILE))
