"""The separators that a text is cut before: regular expressions, within limits of time and memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from inferpoint.chunking.characters import Positions, distinct
from inferpoint.chunking.search_time import SearchTime
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

# A group that repeats is remembered for every character: about a hundred bytes for each of its expression's groups.
_MOST_REMEMBERED = 1_000_000


class Separators:
    """The separators of one text, and the time that is left for them."""

    def __init__(self, expressions: Sequence[str], time: SearchTime) -> None:
        self._expressions = expressions
        self._time = time

    def __len__(self) -> int:
        return len(self._expressions)

    def cuts(self, level: int, piece: str) -> Positions:
        """The places inside *piece* where the separator of *level* begins; it sees nothing beyond the piece's ends."""
        expression = self._expressions[level]
        if linear := _LINEAR.get(expression):
            starts = _positions(match.start() for match in linear.finditer(piece))
        else:
            starts = self._search(expression, piece)
        return distinct(starts[(starts > 0) & (starts < len(piece))])

    def _search(self, expression: str, piece: str) -> Positions:
        from inferpoint.chunking.java_regex import compiled  # noqa: PLC0415 - few texts need it

        separator = compiled(expression)
        if separator.remembers * len(piece) > _MOST_REMEMBERED:
            raise _refused(expression, f"repeats a group, which is too much for a text of [{len(piece)}] characters")
        began = self._time.clock()
        try:
            if self._time.left <= 0:
                raise TimeoutError
            matches = separator.pattern.finditer(piece, timeout=self._time.left)
            starts = _positions(match.start() for match in matches)
        except TimeoutError:
            raise _refused(expression, "takes too long to search for") from None
        except MemoryError:
            raise _refused(expression, "takes too much memory to search for") from None
        self._time.left -= self._time.clock() - began
        if self._time.left <= 0:
            raise _refused(expression, "takes too long to search for")
        return starts


def _refused(expression: str, why: str) -> InferenceError:
    return invalid(f"The separator [{expression}] {why}", subject=Subject.ARGUMENT)


def _positions(numbers: Iterable[int]) -> Positions:
    return np.fromiter(numbers, np.int64)
