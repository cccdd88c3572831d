"""The classes of characters that the rules of words and sentences tell apart: one byte a code point.

The table joins Unicode's properties in classes, each known to both sets of rules by a letter.

To the rules of words::

    A letter                  N digit                  w space               r carriage return
    M pictographic letter     X underscore and such    q single quote        n line feed
    T South-East Asian        K katakana               d double quote        l other line end
    H Hebrew                  J hiragana               b mid letter, digit   e mark or format
    G Hangul syllable         I ideograph              c mid letter          m mark, South-East Asian
    R regional indicator      h other Han              y mid digit           z zero-width joiner
    p pictograph              i other ideographic      o anything else

To the rules of sentences::

    L lower case letter       A full stop              P space               r carriage return
    U upper case letter       T other end              C closing mark        n line feed
    O other letter            c comma and such         e mark or format      S other line end
    N digit                   o anything else

`tools/unicode/make_classes.py` makes the table. It, not the libraries at hand, says which Unicode is followed.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

_pairs, _, _classes = zlib.decompress(files("inferpoint.chunking").joinpath("classes.zlib").read_bytes()).partition(
    b"\n"
)
_class_of = np.frombuffer(_classes, np.uint8)
_latin = _classes[:256]
_BLOCK = 1 << 16

Codes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Reading:
    """One byte for each class of characters: the facts about it that some rule goes by."""

    of_class: bytes
    of_latin: bytes


@dataclass(frozen=True)
class Characters:
    """A text as one byte for each code point: its class, or where every one is below 256 just the code point."""

    raw: bytes
    latin: bool

    def read(self, reading: Reading) -> bytes:
        """The byte that *reading* has for each character."""
        return self.raw.translate(reading.of_latin if self.latin else reading.of_class)

    def codes(self, reading: Reading) -> Codes:
        """The bytes that *reading* has for the characters, as an array."""
        return np.frombuffer(self.read(reading), np.uint8)

    def at(self, positions: Positions) -> Characters:
        """The characters at *positions* alone."""
        return Characters(np.frombuffer(self.raw, np.uint8).take(positions).tobytes(), self.latin)


def characters(text: str) -> Characters:
    """The characters of *text*, lone surrogates among them."""
    try:
        return Characters(text.encode("latin-1"), latin=True)
    except UnicodeEncodeError:
        pass
    units = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), np.uint16)
    if len(units) != len(text):
        units = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return Characters(_class_of.take(units).tobytes(), latin=False)


def distinct(positions: Positions) -> Positions:
    """Ascending *positions* once each; `numpy.unique` would keep other threads waiting while it sorts them."""
    return positions[np.diff(positions, prepend=-1) > 0]


def blocks(text: str, seam: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """*text* in blocks that end at a *seam*, and where each begins: small ones keep arrays small, and in the cache."""
    start = 0
    while len(text) - start > _BLOCK and (boundary := seam.search(text, start + _BLOCK)):
        yield start, text[start : boundary.end()]
        start = boundary.end()
    yield start, text[start:]


def word_reading(meaning: Mapping[str, int]) -> Reading:
    """A reading of the letters of the word rules: all the bits that *meaning* gives to a letter."""
    return _reading(_pairs[0::2].decode(), meaning)


def sentence_letters() -> Reading:
    """The reading that is the letters of the sentence rules themselves."""
    letters = _pairs[1::2].decode()
    return _reading(letters, {letter: ord(letter) for letter in letters})


def _reading(letters: str, meaning: Mapping[str, int]) -> Reading:
    of_class = bytearray(256)
    for number, letter in enumerate(letters):
        for group, bits in meaning.items():
            of_class[number] |= bits if letter in group else 0
    return Reading(bytes(of_class), _latin.translate(of_class))
