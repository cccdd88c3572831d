"""Where the words of a text are: ICU's root rules for word boundaries, over whole arrays at once.

A text falls into segments: words, spaces, marks of punctuation. Whether a segment is a word is for its last unit to
say, a unit being a character with the marks attached to it. Scripts that put no spaces between words come out of the
rules as long segments, which `dictionaries` divides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inferpoint.chunking import dictionaries
from inferpoint.chunking.characters import Characters, Codes, Flags, Positions, blocks, characters, word_reading

# In plain text words are made of letters, digits and underscores, and of characters in their middle: these join their
# neighbours when both are of one kind, and of a kind that they join. Only spaces, and the two halves of a line's end,
# belong together otherwise. Text with special characters needs all that follows.
_LETTER, _DIGIT, _UNDERSCORE, _RETURN, _SPACE, _FEED, _SPECIAL = 1, 2, 4, 8, 0x40, 0x48, 0x80  # above ASCII
_IN_A_WORD, _JOINS = 7, 4
_PLAIN = word_reading({
    "AM": _LETTER, "N": _DIGIT, "X": _UNDERSCORE, "w": _SPACE, "r": _RETURN, "n": _FEED, "emzRTKJIhiHG": _SPECIAL,
    "qb": (_LETTER | _DIGIT) << _JOINS, "c": _LETTER << _JOINS, "y": _DIGIT << _JOINS,
})  # fmt: skip

_HEBREW = 4
_MIDDLE = word_reading({
    "AMTH": _LETTER, "N": _DIGIT, "H": _HEBREW,
    "qb": (_LETTER | _DIGIT) << _JOINS, "c": _LETTER << _JOINS, "y": _DIGIT << _JOINS, "d": _HEBREW << _JOINS,
})  # fmt: skip

# Two neighbours belong together when what the left one offers is among what the right one takes.
_WORD, _KATAKANA, _LINE_END, _BLANK, _HANGUL, _HAN, _QUOTED, _PICTOGRAPH = (1 << bit for bit in range(8))
_OFFERED_THROUGH_MARKS = _WORD | _KATAKANA | _LINE_END | _QUOTED
_OFFERED = word_reading({
    "AMTHNX": _WORD, "KX": _KATAKANA, "r": _LINE_END, "w": _BLANK, "G": _HANGUL, "KJIh": _HAN, "H": _QUOTED,
})  # fmt: skip
_TAKEN = word_reading({
    "AMTHNX": _WORD, "KX": _KATAKANA, "n": _LINE_END, "w": _BLANK, "G": _HANGUL, "KJIh": _HAN, "q": _QUOTED,
    "pM": _PICTOGRAPH,
})  # fmt: skip

# What makes characters special.
_MARK, _LINE, _REGIONAL, _ZERO_WIDTH_JOINER, _DICTIONARY, _SOUTH_EAST = (1 << bit for bit in range(6))
_NATURE = word_reading({
    "emz": _MARK, "rnl": _LINE, "R": _REGIONAL, "z": _ZERO_WIDTH_JOINER, "TKJIh": _DICTIONARY, "T": _SOUTH_EAST,
})  # fmt: skip

# The last unit of a segment makes it a word: always, or without marks, or without marks and with a unit before it.
_ALWAYS, _UNMARKED, _UNMARKED_AND_JOINED = 1, 2, 3
_STATUS = word_reading({"AMTHNKJIi": _ALWAYS, "G": _UNMARKED, "Xhq": _UNMARKED_AND_JOINED})

# No rule looks across the end of a line, or from a space or full stop to a letter or digit.
_SEAM = re.compile("\n|[ 。](?=[^\\W\uff9e\uff9f])")


@dataclass(frozen=True)
class Words:
    """The boundaries of a text's segments, 0 the first, and which of them end a word."""

    boundaries: Positions
    end_words: Flags

    @cached_property
    def ends(self) -> Positions:
        """Just past each word."""
        return self.boundaries.compress(self.end_words)

    def moved(self, distance: int) -> Words:
        """These words, *distance* further on."""
        return Words(self.boundaries + distance, self.end_words) if distance else self

    def counts(self, starts: Positions, ends: Positions) -> Positions:
        """How many words Elasticsearch counts in each piece.

        It begins at the last boundary before the piece, so that a word which ends there counts too.
        """
        within = self.ends.searchsorted(ends, "right") - self.ends.searchsorted(starts, "left")
        before = np.maximum(self.boundaries.searchsorted(starts, "left") - 1, 0)
        return within + self.end_words.take(before)

    def skip(self, start: int, count: int) -> int:
        """Where *count* words, so counted from *start*, and the segment after them are passed; there are as many."""
        before = int(self.boundaries[max(0, int(self.boundaries.searchsorted(start, "left")) - 1)])
        if count == 0:
            return before
        last = int(self.ends.searchsorted(before, "left")) + count - 1
        return int(self.boundaries[self.boundaries.searchsorted(int(self.ends[last]), "right")])


@dataclass(frozen=True)
class _Units:
    """Where each character is that is not attached to another, and what is attached to it."""

    starts: Positions
    marked: Flags
    before_pictograph: Flags


def words(text: str) -> Words:
    """The words of *text*."""
    parts = [_words(block).moved(start) for start, block in blocks(text, _SEAM)]
    if len(parts) == 1:
        return parts[0]
    first, *others = parts
    return Words(
        np.concatenate([first.boundaries, *(words.boundaries[1:] for words in others)]),
        np.concatenate([first.end_words, *(words.end_words[1:] for words in others)]),
    )


def word_ends(text: str) -> Positions:
    """Just past each word of *text*: no more than that, and most texts give it quickly."""
    ends = [_word_ends(block) + start if start else _word_ends(block) for start, block in blocks(text, _SEAM)]
    return ends[0] if len(ends) == 1 else np.concatenate(ends)


def _words(text: str) -> Words:
    every = characters(text)
    read = every.read(_PLAIN)
    if not read.isascii():
        return _special_words(text, every)
    kinds = np.frombuffer(read, np.uint8)
    inside = _inside_words(read)
    space = kinds == _SPACE
    apart = np.ones(len(kinds) + 1, np.bool_)  # from the one before
    apart[1:-1] = ~((inside[:-2] & inside[1:-1]) | (space[:-1] & space[1:]))
    if _RETURN in read:
        apart[1:-1] &= (kinds[:-1] != _RETURN) | (kinds[1:] != _FEED)
    boundaries = np.flatnonzero(apart)
    return Words(boundaries, inside.take(boundaries - 1))


def _word_ends(text: str) -> Positions:
    every = characters(text)
    read = every.read(_PLAIN)
    if not read.isascii():
        return _special_words(text, every).ends
    inside = _inside_words(read)
    ends = np.flatnonzero(inside[:-1] > inside[1:])
    ends += 1
    return ends


def _inside_words(read: bytes) -> Flags:
    """Which characters of a plain text are in words; one more at the end, for what is beyond it, is not."""
    kinds = np.frombuffer(read, np.uint8)
    some = np.zeros(len(kinds) + 1, np.uint8)
    np.bitwise_and(kinds, _IN_A_WORD, out=some[:-1])
    some[1:-2] |= _in_the_middle(kinds)
    inside = some != 0
    if _UNDERSCORE in read:  # which is no word alone
        underscores = np.flatnonzero(kinds == _UNDERSCORE)
        inside[underscores] = inside[underscores - 1] | inside[underscores + 1]
    return inside


def _in_the_middle(kinds: Codes) -> Codes:
    """For each character but the first and the last, of what kind are the neighbours that it joins; else 0."""
    joins = kinds[1:-1] >> np.uint8(_JOINS)
    joins &= kinds[:-2]
    joins &= kinds[2:]
    return joins


def _special_words(text: str, every: Characters) -> Words:
    """The words of a text that is not plain."""
    natures = every.codes(_NATURE)
    present = int(np.bitwise_or.reduce(natures))
    if present & _MARK:
        units = _units(natures)
        segments = _segments(every.at(units.starts), natures.take(units.starts), units)
        segments = Words(np.append(units.starts, len(text)).take(segments.boundaries), segments.end_words)
    else:
        segments = _segments(every, natures)
    if not present & _DICTIONARY:
        return segments
    dictionary = natures & np.uint8(_DICTIONARY)
    return _divided(
        segments, *dictionaries.divisions(text, segments.boundaries, dictionary, short=bool(present & _SOUTH_EAST))
    )


def _units(natures: Codes) -> _Units:
    """Attach marks to the character before them, unless that ends a line or there is none."""
    free = (natures & _MARK) == 0
    free[0] = True
    free[1:] |= (natures[:-1] & _LINE) != 0
    starts = np.flatnonzero(free)
    lasts = np.append(starts[1:], len(natures)) - 1
    marked = (natures.take(lasts) & _MARK) != 0
    return _Units(starts, marked, before_pictograph=(natures.take(lasts) & _ZERO_WIDTH_JOINER) != 0)


def _segments(bases: Characters, natures: Codes, units: _Units | None = None) -> Words:
    """The words as the rules alone find them, in positions of *bases*."""
    offered, taken = bases.codes(_OFFERED), bases.codes(_TAKEN)
    if units is not None:
        offered = np.where(units.marked, offered & _OFFERED_THROUGH_MARKS, offered)
        offered |= units.before_pictograph * np.uint8(_PICTOGRAPH)
    joined = np.zeros(len(taken) + 1, np.bool_)  # to the one before
    np.not_equal(offered[:-1] & taken[1:], 0, out=joined[1:-1])
    middle = _in_the_middle(bases.codes(_MIDDLE)) != 0
    joined[1:-2] |= middle
    joined[2:-1] |= middle
    joined[_second_regionals(np.flatnonzero(natures & _REGIONAL))] = True
    boundaries = np.flatnonzero(~joined)
    return Words(boundaries, _end_words(bases, joined, boundaries[1:] - 1, units))


def _second_regionals(regionals: Positions) -> Positions:
    """Each second one of neighbouring regional indicators, which makes a flag with the first."""
    firsts = np.flatnonzero(np.diff(regionals, prepend=-2) != 1)
    order = np.arange(len(regionals)) - np.repeat(firsts, np.diff(firsts, append=len(regionals)))
    return regionals[order % 2 == 1]


def _end_words(bases: Characters, joined: Flags, lasts: Positions, units: _Units | None) -> Flags:
    """Whether a word ends at the beginning of the text, which it does not, and after each of *lasts*."""
    status = bases.at(lasts).codes(_STATUS)
    ending = status > 0
    if units is not None:
        ending = np.where(units.marked.take(lasts), status == _ALWAYS, ending)
    conditional = np.flatnonzero(status == _UNMARKED_AND_JOINED)
    ending[conditional] &= joined.take(lasts.take(conditional))
    return np.concatenate(([False], ending))


def _divided(undivided: Words, divisions: Positions, segments: Positions) -> Words:
    """*undivided* with *divisions* of its *segments*, all of whose parts are words if the whole was one."""
    length = int(undivided.boundaries[-1])
    boundary, ends_word = np.zeros((2, length + 1), np.bool_)
    boundary[undivided.boundaries] = boundary[divisions] = True
    ends_word[undivided.boundaries] = undivided.end_words
    ends_word[divisions] = undivided.end_words.take(segments + 1)
    boundaries = np.flatnonzero(boundary)
    return Words(boundaries, ends_word.take(boundaries))
