"""The ways to cut a text into chunks, each exactly as Elasticsearch's chunker of that name does it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

import numpy as np

from inferpoint.chunking.characters import Positions
from inferpoint.chunking.chunker import Span
from inferpoint.chunking.search_time import SearchTime
from inferpoint.chunking.sentences import sentence_ends
from inferpoint.chunking.separators import Separators
from inferpoint.chunking.words import Words, word_ends, words

Counted = tuple[int, int, int]  # a span and its words

_LONGEST_TAIL = 20  # words that are repeated of a sentence too long to be repeated whole, or to be left whole


def by_words(text: str, size: int, overlap: int) -> list[Span]:
    """*size* words a chunk, *overlap* of them shared with the chunk before.

    What is between two words begins the later chunk. What follows the last word is lost when that word fills a chunk.
    """
    return [(start, end) for start, end, _ in _pieces(word_ends(text), len(text), size, overlap)]


def by_sentences(text: str, size: int, *, overlap: bool, known: Words | None = None) -> list[Span]:
    """As many sentences a chunk as fit in *size* words; with *overlap* the last of them begins the next chunk too.

    The words of *text* are looked for unless they are *known*: they take as much memory as all the rest.
    """
    text_words = words(text) if known is None else known
    ends = sentence_ends(text)
    starts = np.concatenate(([0], ends))
    counts = text_words.counts(starts[:-1], ends)
    passed = np.concatenate(([0], np.cumsum(counts)))
    begins, words_of, words_before = starts.data, counts.data, passed.data

    chunks: list[Span] = []
    start = held = sentence = 0  # where the chunk begins, its words, the sentence that may join it
    while True:
        fitting = bisect_right(words_before, words_before[sentence] + size - held, lo=sentence) - 1
        held += words_before[fitting] - words_before[sentence]
        sentence = fitting
        if sentence == len(ends):
            break
        count = words_of[sentence]
        if held:
            chunks.append((start, begins[sentence]))
            start, held = begins[sentence], 0
            if overlap:
                start, held = _repeated(
                    text_words, begins[sentence - 1], words_of[sentence - 1], size, room=size - count
                )
        held += count
        sentence += 1
        if held > size:
            *whole, (start, _, held) = _cut(text, start, begins[sentence], size)
            chunks += [(piece_start, end) for piece_start, end, _ in whole]
    if held or not chunks:
        chunks.append((start, len(text)))
    return chunks


def by_separators(text: str, size: int, expressions: Sequence[str], time: SearchTime) -> list[Span]:
    """Cut before the first separator, join neighbours that fit in *size* words, cut what is too long at the next.

    What no separator makes short enough is cut by sentences.
    """
    text_words = words(text)
    separators = Separators(expressions, time)
    chunks: list[Span] = []
    pending = [(0, len(text), len(text_words.ends), 0)]
    while pending:
        start, end, count, level = pending.pop()
        if count <= size:
            chunks.append((start, end))
        elif level == len(separators):
            known = text_words if (start, end) == (0, len(text)) else None
            inner = by_sentences(text[start:end], size, overlap=False, known=known)
            chunks += [(start + inner_start, start + inner_end) for inner_start, inner_end in inner]
        elif len(cuts := separators.cuts(level, text[start:end])):
            edges = np.concatenate(([0], cuts, [end - start])) + start
            counts = text_words.counts(edges[:-1], edges[1:])
            pieces = _joined(zip(edges.data, edges[1:].data, counts.data, strict=False), size)
            pending += [(*piece, level + 1) for piece in reversed(pieces)]
        else:
            pending.append((start, end, count, level + 1))
    return chunks


def _pieces(ends: Positions, length: int, size: int, overlap: int) -> list[Counted]:
    """A text of *length* whose words end at *ends*, cut by words."""
    step = size - overlap
    full = max(0, (len(ends) - size) // step + 1)
    starts = [0, *ends[step - 1 : full * step : step].tolist()]
    lasts = ends[size - 1 : size + (full - 1) * step : step].tolist()
    pieces = [(start, end, size) for start, end in zip(starts, lasts, strict=False)]
    rest = len(ends) - full * step
    if rest > overlap or not full:
        pieces.append((starts[full], length, rest))
    return pieces


def _cut(text: str, start: int, end: int, size: int) -> list[Counted]:
    """A sentence of more than *size* words, and what of the one before begins the chunk, cut by words."""
    overlap = min(_LONGEST_TAIL, (size - 1) // 2)
    pieces = _pieces(word_ends(text[start:end]), end - start, size, overlap)
    return [(start + piece_start, start + piece_end, count) for piece_start, piece_end, count in pieces]


def _repeated(text_words: Words, start: int, count: int, size: int, *, room: int) -> tuple[int, int]:
    """The beginning and the words of what a chunk repeats of the sentence before: all of it where there is room."""
    if count <= room:
        return start, count
    skipped = max(0, count - min(size // 2, _LONGEST_TAIL))
    return text_words.skip(start, skipped), count - skipped


def _joined(pieces: Iterable[Counted], size: int) -> list[Counted]:
    """Neighbours joined, from the left, as long as they have no more than *size* words together."""
    joined: list[Counted] = []
    for start, end, count in pieces:
        if joined and joined[-1][2] + count <= size:
            joined[-1] = (joined[-1][0], end, joined[-1][2] + count)
        else:
            joined.append((start, end, count))
    return joined
