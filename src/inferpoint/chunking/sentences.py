"""Where the sentences of a text end: Unicode's default rules, one regular expression over the characters' letters."""

from __future__ import annotations

import re

import numpy as np

from inferpoint.chunking.characters import Positions, blocks, characters, sentence_letters

_SEAM = re.compile("\n")  # where a sentence ends whatever is around it
_LETTERS = sentence_letters()
_MAY_END = bytes(letter in b"rnSTA" for letter in range(256))
_TERMINATES = np.array([letter in b"TA" for letter in range(256)])
_ENDS_LINE = bytes(letter in b"rnS" for letter in range(256))
_end = re.compile(
    rb"""
      T            C*+ P*+ (?: [nS] | rn?+ | (?![cTA]) )                    # an end, closing marks, spaces, a line end
    | A(?!N)                                                                # but a full stop ends none before a digit,
      (?!(?<=[UL]A)U)                                                       # nor within an abbreviation,
                   C*+ P*+ (?: [nS] | rn?+ | (?![cTA])(?![^OULSrnTA]*+L) )  # nor where lower case follows
    | [nS] | rn?+                                                           # a line's end is a sentence's
    """,
    re.VERBOSE,
).match


def sentence_ends(text: str) -> Positions:
    """Just past each sentence of *text*; the last is the end of the text."""
    found = [start + _sentence_ends(block) for start, block in blocks(text, _SEAM)]
    return found[0] if len(found) == 1 else np.unique(np.concatenate(found))


def _sentence_ends(text: str) -> Positions:
    letters = characters(text).read(_LETTERS)
    starts = None
    if b"e" in letters:
        letters, starts = _without_marks(letters)
    found = np.append(_found(letters), len(letters))
    found = found[np.diff(found, prepend=0) > 0]  # the parts of one end find it again
    return found if starts is None else starts.take(found)


def _found(letters: bytes) -> Positions:
    """The ends in *letters*, some of them twice; those before one space and a capital without asking the expression."""
    codes = np.frombuffer(letters, np.uint8)
    candidates = np.flatnonzero(np.frombuffer(letters.translate(_MAY_END), np.bool_))
    space, capital = candidates + 1, candidates + 2
    usual = np.take(_TERMINATES, codes.take(candidates))
    usual &= codes.take(space, mode="clip") == ord("P")
    usual &= codes.take(capital, mode="clip") == ord("U")
    matches = (_end(letters, place) for place in candidates[~usual].data)
    capital[~usual] = np.fromiter((match.end() if match else 0 for match in matches), np.int64)
    return capital[capital > 0]


def _without_marks(letters: bytes) -> tuple[bytes, Positions]:
    """The letters of the characters that marks are attached to, and where each begins, the end of the text last."""
    codes = np.frombuffer(letters, np.uint8)
    line = np.frombuffer(letters.translate(_ENDS_LINE), np.bool_)
    free = codes != ord("e")
    free[0] = True
    free[1:] |= line[:-1]
    starts = np.flatnonzero(free)
    return codes[starts].tobytes().replace(b"e", b"o"), np.append(starts, len(codes))
