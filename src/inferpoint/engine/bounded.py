"""Chunks that a model takes whole: those that are too long by its own measure are cut again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from inferpoint.chunking import chunk, count_words
from inferpoint.chunking.settings import Recursive, Sentences, Words
from inferpoint.engine.chunked import ChunkingThreads, Span, pieces
from inferpoint.errors import InferenceError
from inferpoint.model.requests import Texts

Sized = Words | Sentences | Recursive

_ROOM = 0.9  # of the words that should fit: some are longer than others


async def bounded(
    texts: Texts,
    spans: Sequence[Sequence[Span]],
    settings: Sized,
    lengths: Callable[[Texts], Awaitable[Sequence[float]]],
    threads: ChunkingThreads,
) -> Sequence[Sequence[Span]]:
    """*spans* of *texts*, none of them longer than 1 by *lengths*; what cannot be measured is left to be refused.

    A chunk that is too long is cut by *settings* with a smaller size, until its parts are short enough.
    """
    known: dict[str, float] = {}
    while unknown := tuple(dict.fromkeys(piece for piece in pieces(texts, spans) if piece not in known)):
        try:
            known.update(zip(unknown, await lengths(unknown), strict=True))
        except InferenceError:
            break
        spans = await threads.run(texts, lambda before=spans: _cut_again(texts, before, settings, known))
    return spans


def _cut_again(
    texts: Texts, spans: Sequence[Sequence[Span]], settings: Sized, known: dict[str, float]
) -> Sequence[Sequence[Span]]:
    return [
        [part for start, end in own for part in _parts(text, start, end, settings, known[text[start:end]])]
        for text, own in zip(texts, spans, strict=True)
    ]


def _parts(text: str, start: int, end: int, settings: Sized, length: float) -> Sequence[Span]:
    """The chunk of *text* from *start* to *end*, in parts when its *length* is more than 1."""
    if length <= 1 or end - start < 2:
        return [(start, end)]
    piece = text[start:end]
    (words,) = count_words(piece, [(0, len(piece))])
    size = int(words / length * _ROOM)
    parts = chunk(piece, _smaller(settings, size)) if size else []
    if len(parts) < 2:  # a word without end
        middle = len(piece) // 2
        parts = [(0, middle), (middle, len(piece))]
    return [(start + part_start, start + part_end) for part_start, part_end in parts]


def _smaller(settings: Sized, size: int) -> Sized:
    sized = replace(settings, max_chunk_size=size, max_chunking_size=None)
    return replace(sized, overlap=min(sized.overlap, size // 2)) if isinstance(sized, Words) else sized
