"""The separators that a text is cut before: regular expressions, with a limit to the time that they may take."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from inferpoint.chunking.characters import Positions
from inferpoint.chunking.settings import SEPARATOR_GROUPS
from inferpoint.errors import InferenceError, Subject, invalid

# What the separators of the groups mean, in expressions that take time in proportion to the text and so need no limit.
_TITLE = r"\n(?![ \t\x0b\f]*+(?:[\n\r\x85\u2028\u2029]|\Z))[^\n\r\x85\u2028\u2029]*+\n%s+\n"
*_headings, _underlined, _double_underlined = SEPARATOR_GROUPS["markdown"]
_LINEAR = {
    **{separator: re.compile(separator) for separator in (*_headings, *SEPARATOR_GROUPS["plaintext"])},
    _underlined: re.compile(_TITLE % "-"),
    _double_underlined: re.compile(_TITLE % "="),
}

# Seconds that the separators of one text may take: many times what they need, unless they backtrack without end.
_SECONDS = 2.0
_SECONDS_FOR_A_CHARACTER = 2e-6


class Separators:
    """The separators of one text, and the time that is left for them."""

    def __init__(self, expressions: Sequence[str], text: str, clock: Callable[[], float]) -> None:
        self._expressions = expressions
        self._clock = clock
        self._seconds = _SECONDS + _SECONDS_FOR_A_CHARACTER * len(text)

    def __len__(self) -> int:
        return len(self._expressions)

    def cuts(self, level: int, piece: str) -> Positions:
        """The places inside *piece* where the separator of *level* begins; it sees nothing beyond the piece's ends."""
        expression = self._expressions[level]
        if linear := _LINEAR.get(expression):
            starts = _positions(match.start() for match in linear.finditer(piece))
        else:
            starts = self._search(expression, piece)
        return np.unique(starts[(starts > 0) & (starts < len(piece))])

    def _search(self, expression: str, piece: str) -> Positions:
        from inferpoint.chunking.java_regex import compiled  # noqa: PLC0415 - few texts need it

        began = self._clock()
        try:
            matches = compiled(expression).finditer(piece, timeout=self._seconds)
            starts = _positions(match.start() for match in matches)
        except TimeoutError:
            raise self._too_slow(expression) from None
        self._seconds -= self._clock() - began
        if self._seconds <= 0:
            raise self._too_slow(expression)
        return starts

    def _too_slow(self, expression: str) -> InferenceError:
        return invalid(f"The separator [{expression}] takes too long to search for", subject=Subject.ARGUMENT)


def _positions(numbers: Iterable[int]) -> Positions:
    return np.fromiter(numbers, np.int64)
