"""Where the sentences of a text end: Unicode's default rules, as one regular expression over the characters' classes."""

from __future__ import annotations

import re

import numpy as np

from inferpoint.chunking.characters import Positions, characters, sentence_letters

_LETTERS = sentence_letters()
# The letters are explained in `characters`. First of all: what can end a sentence, so that the search is quick.
_END = re.compile(
    rb"""[rnSTA](?:
      (?<=r)n?+ | (?<=[nS])                                     # a line ends, and with it the sentence
    | (?<=T)             C*+ P*+ (?: rn?+ | [nS] | (?![cTA]) )  # an end, closing marks, spaces and the line's end
    | (?<=A)(?!N)                                               # but a full stop ends none before a digit,
      (?!(?<=[UL]A)U)    C*+ P*+ (?: rn?+ | [nS] |              # nor in an abbreviation,
      (?![cTA])(?![^OULSrnTA]*+L) )                             # nor when the text goes on in lower case
    )""",
    re.VERBOSE,
)


def sentence_ends(text: str) -> Positions:
    """Just past each sentence of *text*; the last is the end of the text."""
    letters = characters(text).read(_LETTERS)
    starts = None
    if b"e" in letters:
        letters, starts = _without_marks(letters)
    ends = [match.end() for match in _END.finditer(letters)]
    if not ends or ends[-1] != len(letters):
        ends.append(len(letters))
    found = np.array(ends)
    return found if starts is None else starts[found]


def _without_marks(letters: bytes) -> tuple[bytes, Positions]:
    """The letters of the characters that marks are attached to, and where each begins, the end of the text last."""
    codes = np.frombuffer(letters, np.uint8)
    mark = codes == ord("e")
    line = np.isin(codes, np.frombuffer(b"rnS", np.uint8))
    free = np.ones(len(codes), np.bool_)
    free[1:] = ~mark[1:] | line[:-1]
    starts = np.flatnonzero(free)
    return codes[starts].tobytes().replace(b"e", b"o"), np.append(starts, len(codes))
