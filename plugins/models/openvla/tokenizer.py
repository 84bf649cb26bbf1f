"""Text to token ids, without BOS: a fixed word list for small models, or a checkpoint's file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from tokenizers import Tokenizer as TokenizerFile

if TYPE_CHECKING:
    from pathlib import Path

BOS = 1
FIRST_BYTE = 3
FIRST_WORD = FIRST_BYTE + 256
SPACE_PIECE = 29871
"""The published prompt ends in this id: the lone word boundary of Llama's vocabulary."""

PIECES = ("in: what action should the robot take to", "?\nout:")
"""The two halves of the published prompt are one token each: short prompts are fast prompts."""
_VOCABULARY = """
the a an to on in of at it and then with into onto from off up down left right near far
front back behind beside between above below under over inside top bottom middle center
corner edge side next away reach push pull pick place put move grasp grab lift drop open close
stack slide turn press touch rotate hold release take bring go insert
red green blue yellow orange purple pink cyan magenta black white gray grey brown
cube block box ball sphere cylinder cone plate bowl cup mug can bottle tray basket drawer
door button handle table target goal peg ring robot arm gripper hand object color shape
small large big one two three first second ? . ,
"""
WORDS = tuple(_VOCABULARY.split())
_TEXT = re.compile("|".join([*map(re.escape, PIECES), r"\w+", r"[^\w ]"]))
_IDS = {word: FIRST_WORD + i for i, word in enumerate([*PIECES, *WORDS])}


class Tokenizer(Protocol):
    """Turns a prompt into token ids."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, without BOS."""
        ...


class WordTokenizer:
    """One id per known word, else one per UTF-8 byte; case and blanks are ignored."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`."""
        return [token for found in _TEXT.finditer(text.lower()) for token in _word(found[0])]


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


def _word(word: str) -> list[int]:
    known = _IDS.get(word)
    return [FIRST_BYTE + byte for byte in word.encode()] if known is None else [known]
