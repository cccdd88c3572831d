"""Where the sentences of a text end: Unicode's default rules, one regular expression over the characters' letters."""

from __future__ import annotations

import re

import numpy as np

from inferpoint.chunking.characters import Codes, Flags, Positions, blocks, characters, distinct, sentence_letters

_SEAM = re.compile("\n")  # where a sentence ends whatever is around it
_LETTERS = sentence_letters()
_MAY_END, _LINE, _BEGINS = (bytes(letter in some for letter in range(256)) for some in (b"rnSTA", b"rnS", b"UO"))
_end = re.compile(
    rb"""
      T            C*+ P*+ (?: [nS] | rn?+ | (?![cTA]) )                    # an end, closing marks, spaces, a line end
    | A(?!N)                                                                # but a full stop ends none before a digit,
      (?!(?<=[UL]A)U)                                                       # nor within an abbreviation,
                   C*+ P*+ (?: [nS] | rn?+ | (?![cTA])(?![^OULSrnTA]*+L) )  # nor where lower case follows
    """,
    re.VERBOSE,
).match


def sentence_ends(text: str) -> Positions:
    """Just past each sentence of *text*; the last is the end of the text."""
    ends = [start + _sentence_ends(block) for start, block in blocks(text, _SEAM)]
    return ends[0] if len(ends) == 1 else distinct(np.concatenate(ends))


def _sentence_ends(text: str) -> Positions:
    letters = characters(text).read(_LETTERS)
    starts = None
    if b"e" in letters:
        letters, starts = _without_marks(letters)
    ends = np.append(_found(letters), len(letters))
    ends = ends[np.diff(ends, prepend=0) > 0]  # the parts of one end find it again
    return ends if starts is None else starts.take(ends)


def _found(letters: bytes) -> Positions:
    """The ends in *letters*, some of them twice; the plainest ones without asking the expression."""
    codes = np.frombuffer(letters, np.uint8)
    places = np.flatnonzero(_flags(codes, _MAY_END))
    letter, first, second = (codes.take(places + ahead, mode="clip") for ahead in range(3))

    line = _flags(letter, _LINE)
    halved = (letter == ord("r")) & (first == ord("n"))
    spaced = first == ord("P")
    plain = _flags(np.where(spaced, second, first), _BEGINS) & (spaced | (letter == ord("T")))
    ends = places + 1 + (spaced & ~line)
    for place in np.flatnonzero(~(line | plain)).data:
        match = _end(letters, places[place])
        ends[place] = match.end() if match else 0
    return ends[(ends > 0) & ~halved]


def _flags(letters: Codes, some: bytes) -> Flags:
    """Which of *letters* are among *some*."""
    return np.frombuffer(letters.tobytes().translate(some), np.bool_)


def _without_marks(letters: bytes) -> tuple[bytes, Positions]:
    """The letters of the characters that marks are attached to, and where each begins, the end of the text last."""
    codes = np.frombuffer(letters, np.uint8)
    line = _flags(codes, _LINE)
    free = codes != ord("e")
    free[0] = True
    free[1:] |= line[:-1]
    starts = np.flatnonzero(free)
    return codes[starts].tobytes().replace(b"e", b"o"), np.append(starts, len(codes))
