"""The `tokenizer.model` of PaliGemma and Llama: a byte-pair model in sentencepiece's format.

Of its protocol buffer (`sentencepiece_model.proto`) only what decides how text is cut is read.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlvla.plugins.models.protobuf import Message, fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "tokenizer.model"
SPACE = "\u2581"
"""Stands for a blank."""
UNKNOWN, DEFINED, UNUSED, BYTE = 2, 4, 5, 6
"""Kinds of pieces that are not found by merging alone; 1 is an ordinary one, 3 a control."""
CONTROL = 3
BYTE_PAIRS = 2
"""The number of the model type that merges pairs."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The pieces of a model, and how it treats blanks and what it does not know."""

    ids: Mapping[str, int]
    """Of pieces that text is made of."""
    scores: Mapping[str, float]
    """Of the same pieces: which pair is merged first."""
    defined: frozenset[str]
    """Pieces that are taken whole before anything is merged."""
    unused: frozenset[str]
    """Pieces that are merged on the way, but are no result."""
    controls: Mapping[str, int]
    """Of pieces that no text has, as `<bos>`."""
    unknown: int
    bos: int
    """What every prompt begins with."""
    bytes: tuple[int, ...] | None
    """Ids of the 256 bytes, which unknown characters become; None if they are one unknown id."""
    prefix: bool
    """Text begins with a blank, whether or not it does."""


def vocabulary_of(file: Path) -> Vocabulary:
    """Read the file; raise ValueError if it is not whole, or of a model that cuts otherwise."""
    try:
        message = fields(file.read_bytes())
        entries = [fields(one) for one in message.blocks(1)]
        trainer, normaliser = (fields(message.block(number)) for number in (2, 3))
        pieces = [(one.text(1), one.real(2), one.number(3, 1)) for one in entries]
    except (IndexError, ValueError) as error:
        raise ValueError(f"checkpoint's file {file} cannot be read: {error}") from None
    _refuse_others(file, trainer, normaliser)
    return _vocabulary(pieces, trainer, prefix=bool(normaliser.number(3, 1)))


def _refuse_others(file: Path, trainer: Message, normaliser: Message) -> None:
    expected = {
        "model_type": (trainer.number(3, 1), BYTE_PAIRS),
        "treat_whitespace_as_suffix": (trainer.number(24, 0), 0),
        "precompiled_charsmap": (len(normaliser.block(2)), 0),
        "remove_extra_whitespaces": (normaliser.number(4, 1), 0),
        "escape_whitespaces": (normaliser.number(5, 1), 1),
    }
    for name, (found, wanted) in expected.items():
        if found != wanted:
            raise ValueError(
                f"checkpoint's file {file} has {name} {found}, expected {wanted} as the models of "
                "PaliGemma and Llama have; bring a tokenizer.json instead"
            )


def _vocabulary(
    pieces: list[tuple[str, float, int]], trainer: Message, *, prefix: bool
) -> Vocabulary:
    def named(*kinds: int) -> dict[str, int]:
        return {text: index for index, (text, _, kind) in enumerate(pieces) if kind in kinds}

    ids = named(1, DEFINED, UNUSED)
    return Vocabulary(
        ids=ids,
        scores={text: pieces[index][1] for text, index in ids.items()},
        defined=frozenset(named(DEFINED)),
        unused=frozenset(named(UNUSED)),
        controls=named(CONTROL),
        unknown=next(iter(named(UNKNOWN).values()), 0),
        bos=trainer.number(41, 1),
        bytes=tuple(named(BYTE).values()) if trainer.number(35, 0) else None,
        prefix=prefix,
    )


@dataclass
class _Row:
    """The pieces of a text while they are merged: a linked list."""

    texts: list[str]
    """Empty for what was merged into its left neighbour."""
    frozen: list[bool]
    left: list[int] = field(default_factory=list[int])
    right: list[int] = field(default_factory=list[int])

    def __post_init__(self) -> None:
        count = len(self.texts)
        self.left = [*range(-1, count - 1)]
        self.right = [*range(1, count), -1]

    def merge(self, first: int, second: int) -> None:
        """Put two neighbours together, at the place of the first."""
        self.texts[first] += self.texts[second]
        self.texts[second] = ""
        after = self.right[second]
        self.right[first] = after
        if after >= 0:
            self.left[after] = first


class Pieces:
    """Cuts text as sentencepiece does: the neighbours that score highest are merged first."""

    def __init__(self, file: Path) -> None:
        self.vocabulary = vocabulary_of(file)
        self.bos = self.vocabulary.bos
        self._longest = max(map(len, self.vocabulary.defined), default=0)
        self._content = file.read_bytes()

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, without BOS."""
        if not text:
            return []
        cut = (" " if self.vocabulary.prefix else "") + text
        row = self._characters(cut.replace(" ", SPACE))
        made = self._merged(row)
        whole = [part for one in row.texts if one for part in self._used(one, made)]
        return self._ids(whole)

    def save(self, directory: Path) -> None:
        """Write `tokenizer.model`, as it was read."""
        (directory / FILE).write_bytes(self._content)

    def _characters(self, text: str) -> _Row:
        """Return single characters, but what the user of sentencepiece defined as a whole."""
        texts, frozen, start = list[str](), list[bool](), 0
        while start < len(text):
            ends = range(min(self._longest, len(text) - start), 0, -1)
            candidates = (text[start : start + length] for length in ends)
            known = next((one for one in candidates if one in self.vocabulary.defined), None)
            texts.append(known or text[start])
            frozen.append(known is not None)
            start += len(texts[-1])
        return _Row(texts, frozen)

    def _merged(self, row: _Row) -> dict[str, tuple[str, str]]:
        """Merge in place; return of what two parts unused pieces were made."""
        made: dict[str, tuple[str, str]] = {}
        agenda: list[tuple[float, int, int, str]] = []

        def offer(first: int, second: int) -> None:
            if first < 0 or second < 0 or row.frozen[first] or row.frozen[second]:
                return
            whole = row.texts[first] + row.texts[second]
            if whole not in self.vocabulary.ids:
                return
            heapq.heappush(agenda, (-self.vocabulary.scores[whole], first, second, whole))
            if whole in self.vocabulary.unused:
                made[whole] = (row.texts[first], row.texts[second])

        for index in range(len(row.texts) - 1):
            offer(index, index + 1)
        while agenda:
            _, first, second, whole = heapq.heappop(agenda)
            parts = row.texts[first], row.texts[second]
            if all(parts) and len("".join(parts)) == len(whole):
                row.merge(first, second)
                offer(row.left[first], first)
                offer(first, row.right[first])
        return made

    def _used(self, piece: str, made: Mapping[str, tuple[str, str]]) -> list[str]:
        if piece not in self.vocabulary.unused or piece not in made:
            return [piece]
        return [part for half in made[piece] for part in self._used(half, made)]

    def _ids(self, pieces: list[str]) -> list[int]:
        known, ids = self.vocabulary, list[int]()
        for piece in pieces:
            if piece in known.ids:
                ids.append(known.ids[piece])
            elif piece in known.controls:
                ids.append(known.controls[piece])
            elif known.bytes is not None:
                ids += [known.bytes[byte] for byte in piece.encode()]
            elif ids[-1:] != [known.unknown]:
                ids.append(known.unknown)
        return ids
