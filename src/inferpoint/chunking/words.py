"""Where the words of a text are: ICU's root rules for word boundaries, over whole arrays at once.

A text falls into segments: words, spaces, marks of punctuation. Whether a segment is a word is for its last unit to
say, a unit being a character with the marks attached to it. Scripts that put no spaces between words come out of the
rules as long segments, which `dictionaries` divides.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inferpoint.chunking import dictionaries
from inferpoint.chunking.characters import Characters, Codes, Flags, Positions, characters, word_reading

# A character in the middle joins its neighbours when both are of one kind, and of a kind that it joins. Text without
# special characters has words of letters, digits, underscores and what is in the middle of them, and no others.
_LETTER, _DIGIT, _HEBREW, _UNDERSCORE, _SPECIAL = 1, 2, 4, 8, 0x80
_IN_A_WORD, _JOINS = 0x0F, 4
_KIND = word_reading({
    "AMTH": _LETTER, "N": _DIGIT, "H": _HEBREW, "X": _UNDERSCORE, "emzRTKJIhiHG": _SPECIAL,
    "qb": (_LETTER | _DIGIT) << _JOINS, "c": _LETTER << _JOINS, "y": _DIGIT << _JOINS, "d": _HEBREW << _JOINS,
})  # fmt: skip

# Two neighbours belong together when what the left one offers is among what the right one takes.
_WORD, _KATAKANA, _LINE_END, _SPACE, _HANGUL, _HAN, _QUOTED, _PICTOGRAPH = (1 << bit for bit in range(8))
_OFFERED_THROUGH_MARKS = _WORD | _KATAKANA | _LINE_END | _QUOTED
_OFFERED = word_reading({
    "AMTHNX": _WORD, "KX": _KATAKANA, "r": _LINE_END, "w": _SPACE, "G": _HANGUL, "KJIh": _HAN, "H": _QUOTED,
})  # fmt: skip
_TAKEN = word_reading({
    "AMTHNX": _WORD, "KX": _KATAKANA, "n": _LINE_END, "w": _SPACE, "G": _HANGUL, "KJIh": _HAN, "q": _QUOTED,
    "pM": _PICTOGRAPH,
})  # fmt: skip

# What makes a text need more than the two rules above.
_MARK, _LINE, _REGIONAL, _ZERO_WIDTH_JOINER, _DICTIONARY = (1 << bit for bit in range(5))
_NATURE = word_reading({"emz": _MARK, "rnl": _LINE, "R": _REGIONAL, "z": _ZERO_WIDTH_JOINER, "TKJIh": _DICTIONARY})

# The last unit of a segment makes it a word: always, or without marks, or without marks and with a unit before it.
_ALWAYS, _UNMARKED, _UNMARKED_AND_JOINED = 1, 2, 4
_STATUS = word_reading({"AMTHNKJIi": _ALWAYS, "G": _UNMARKED, "Xhq": _UNMARKED_AND_JOINED})


@dataclass(frozen=True)
class Words:
    """The boundaries of a text's segments, 0 the first, and which of them end a word."""

    boundaries: Positions
    end_words: Flags

    @cached_property
    def ends(self) -> Positions:
        """Just past each word."""
        return self.boundaries[self.end_words]

    def counts(self, starts: Positions, ends: Positions) -> Positions:
        """How many words Elasticsearch counts in each piece.

        It begins at the last boundary before the piece, so that a word which ends there counts too.
        """
        within = self.ends.searchsorted(ends, "right") - self.ends.searchsorted(starts, "left")
        return within + self.end_words[self._before(starts)]

    def skip(self, start: int, count: int) -> int:
        """Where *count* words, counted from *start* like that, and the segment after them are passed."""
        before = self.boundaries[self._before(np.array([start]))[0]]
        last = int(self.ends.searchsorted(before, "left")) + count - 1
        if count == 0:
            return int(before)
        if last >= len(self.ends):
            return int(self.boundaries[-1])
        following = int(self.boundaries.searchsorted(self.ends[last], "right"))
        return int(self.boundaries[min(following, len(self.boundaries) - 1)])

    def _before(self, starts: Positions) -> Positions:
        return np.maximum(self.boundaries.searchsorted(starts, "left") - 1, 0)


@dataclass(frozen=True)
class _Units:
    """Where each character that is not attached to another is, and what is attached to it."""

    starts: Positions
    marked: Flags
    before_pictograph: Flags


def words(text: str) -> Words:
    """The words of *text*."""
    every = characters(text)
    kinds = every.codes(_KIND)
    if not _special(kinds):
        joined = _joined(every, kinds)
        boundaries = np.flatnonzero(~joined)
        return Words(boundaries, _end_words(every, joined, boundaries))
    natures = every.codes(_NATURE)
    units = _units(natures)
    bases = every.at(units.starts)
    joined = _joined(bases, kinds[units.starts], units)
    _pair_regionals(np.flatnonzero(natures[units.starts] & _REGIONAL), joined)
    segments = np.flatnonzero(~joined)
    boundaries = np.append(units.starts, len(text))[segments]
    found = Words(boundaries, _end_words(bases, joined, segments, units))
    return _divided(text, found, (natures & _DICTIONARY) != 0)


def word_ends(text: str) -> Positions:
    """Just past each word of *text*; quicker than all that `words` finds."""
    kinds = characters(text).codes(_KIND)
    if _special(kinds):
        return words(text).ends
    inside = np.zeros(len(kinds) + 2, np.bool_)  # with nothing before and nothing after
    np.not_equal(kinds & _IN_A_WORD, 0, out=inside[1:-1])
    inside[2:-2] |= _in_the_middle(kinds)
    underscores = np.flatnonzero(kinds == _UNDERSCORE) + 1
    inside[underscores[~(inside[underscores - 1] | inside[underscores + 1])]] = False
    return np.flatnonzero(inside[:-1] > inside[1:])


def _special(kinds: Codes) -> bool:
    return bool(kinds.max(initial=0) >= _SPECIAL)


def _in_the_middle(kinds: Codes) -> Flags:
    """Which characters, the first and the last left out, join their neighbours."""
    return ((kinds[1:-1] >> _JOINS) & kinds[:-2] & kinds[2:] & ~np.uint8(_UNDERSCORE)) != 0


def _units(natures: Codes) -> _Units:
    """Attach marks to the character before them, unless that ends a line or there is none."""
    mark = (natures & _MARK) != 0
    free = np.ones(len(natures), np.bool_)
    free[1:] = ~mark[1:] | ((natures[:-1] & _LINE) != 0)
    starts = np.flatnonzero(free)
    lasts = np.append(starts[1:], len(natures)) - 1
    return _Units(
        starts,
        marked=(lasts > starts) | mark[starts],
        before_pictograph=(natures[lasts] & _ZERO_WIDTH_JOINER) != 0,
    )


def _joined(bases: Characters, kinds: Codes, units: _Units | None = None) -> Flags:
    """Which units belong to the segment of the one before; one more at the end, which does not."""
    offered, taken = bases.codes(_OFFERED), bases.codes(_TAKEN)
    if units is not None:
        offered = np.where(units.marked, offered & _OFFERED_THROUGH_MARKS, offered)
        offered |= units.before_pictograph * np.uint8(_PICTOGRAPH)
    joined = np.zeros(len(kinds) + 1, np.bool_)
    np.not_equal(offered[:-1] & taken[1:], 0, out=joined[1:-1])
    middle = _in_the_middle(kinds)
    joined[1:-2] |= middle
    joined[2:-1] |= middle
    return joined


def _pair_regionals(regionals: Positions, joined: Flags) -> None:
    """Join the second, fourth, … of neighbouring regional indicators to the one before: each pair is a flag."""
    firsts = np.flatnonzero(np.diff(regionals, prepend=-2) != 1)
    lengths = np.diff(firsts, append=len(regionals))
    place = np.arange(len(regionals)) - np.repeat(firsts, lengths)
    joined[regionals[place % 2 == 1]] = True


def _end_words(bases: Characters, joined: Flags, segments: Positions, units: _Units | None = None) -> Flags:
    """Whether a word ends at each boundary, of which the first is the beginning of the text."""
    lasts = segments[1:] - 1
    status = bases.at(lasts).codes(_STATUS)
    granted = np.where(joined[lasts], np.uint8(_ALWAYS | _UNMARKED | _UNMARKED_AND_JOINED), np.uint8(_ALWAYS | _UNMARKED))
    if units is not None:
        granted[units.marked[lasts]] = _ALWAYS
    return np.concatenate(([False], (status & granted) != 0))


def _divided(text: str, found: Words, dictionary: Flags) -> Words:
    """*found* with the segments of scripts without spaces divided; all parts are words if the whole was one."""
    divisions = dictionaries.divisions(text, found.boundaries, dictionary)
    places = found.boundaries.searchsorted(divisions)
    return Words(
        np.insert(found.boundaries, places, divisions), np.insert(found.end_words, places, found.end_words[places])
    )
