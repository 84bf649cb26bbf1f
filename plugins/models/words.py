"""Text to token ids by a fixed word list: what small models read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BOS = 1
FIRST_BYTE = 3
FIRST_WORD = FIRST_BYTE + 256

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


class WordTokenizer:
    """One id per piece or known word, else one per UTF-8 byte; case and blanks are ignored.

    `pieces` are texts that are one token each, as the constant parts of a prompt: short prompts
    are fast prompts. Their ids come first, then those of the words and of `more` words.
    """

    bos = BOS

    def __init__(self, pieces: Sequence[str], more: Sequence[str] = ()) -> None:
        self._text = re.compile("|".join([*map(re.escape, pieces), r"\w+", r"[^\w ]"]))
        known = (*pieces, *WORDS, *more)
        self._ids = {word: FIRST_WORD + i for i, word in enumerate(known)}

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, without BOS."""
        found = self._text.finditer(text.lower())
        return [token for one in found for token in self._word(one[0])]

    def _word(self, word: str) -> list[int]:
        known = self._ids.get(word)
        return [FIRST_BYTE + byte for byte in word.encode()] if known is None else [known]
