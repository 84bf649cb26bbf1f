"""Text to token ids, without BOS: a fixed word list for small models, or a checkpoint's file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tokenizers import Tokenizer as TokenizerFile

from rlvla.plugins.models.words import WordTokenizer

if TYPE_CHECKING:
    from pathlib import Path

SPACE_PIECE = 29871
"""The published prompt ends in this id: the lone word boundary of Llama's vocabulary."""

PIECES = ("in: what action should the robot take to", "?\nout:")
"""The two halves of the published prompt are one token each: short prompts are fast prompts."""


class Tokenizer(Protocol):
    """Turns a prompt into token ids."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, without BOS."""
        ...


def words() -> WordTokenizer:
    """Return the tokenizer of small models."""
    return WordTokenizer(PIECES)


class FileTokenizer:
    """The `tokenizer.json` of a checkpoint."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: the checkpoint's prompts need it")
        self._tokenizer = TokenizerFile.from_file(str(path))

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, with the word boundary that training ended prompts in."""
        ids = list(self._tokenizer.encode(text, add_special_tokens=False).ids)
        return ids if ids[-1:] == [SPACE_PIECE] else [*ids, SPACE_PIECE]
