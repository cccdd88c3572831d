"""Long inputs to chunks and back: each input's chunks with their vectors, no more than 512 of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from inferpoint.chunking import chunk, count_words
from inferpoint.chunking.settings import ChunkingSettings, read
from inferpoint.clock import Clock
from inferpoint.errors import InferenceError, Kind, Subject, invalid
from inferpoint.model.requests import Chunking, Texts
from inferpoint.model.results import Chunk, ChunkedEmbeddings, Embeddings, Previewed, SparseEmbeddings
from inferpoint.protocols import vectors

T = TypeVar("T")
Span = tuple[int, int]

MOST_CHUNKS = 512
LARGE = 64 * 1024  # characters; what takes longer than a millisecond leaves the event loop


def wanted(chunking: Chunking, stored: ChunkingSettings | None, *, largest: int) -> ChunkingSettings:
    """The chunking settings of a request: its own, held to the same bounds as an endpoint's, or the *stored* ones."""
    if chunking.settings is None and stored is not None:
        return stored
    problems: list[str] = []
    settings = read(chunking.settings, largest=largest, problems=problems)
    if settings is None:
        raise invalid(*problems, subject=Subject.SETTINGS)
    return settings


def preview(text: str, spans: Sequence[Span]) -> Sequence[Previewed]:
    """The chunks of *text*, with the words in each and those it shares with the one before."""
    ends_before = [0, *(end for _, end in spans[:-1])]  # of the chunk before each
    shared = [(start, max(start, before)) for (start, _), before in zip(spans, ends_before, strict=True)]
    words, overlaps = count_words(text, spans), count_words(text, shared)
    return [
        Previewed(start, end, count, overlap, text[start:end])
        for (start, end), count, overlap in zip(spans, words, overlaps, strict=True)
    ]


class ChunkingThreads:
    """Threads that work on long texts, so that other requests go on meanwhile.

    They are not the event loop's own, which look up the names of providers.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._threads = ThreadPoolExecutor(thread_name_prefix="chunking")

    def close(self) -> None:
        """Give up what waits and let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def cut(self, texts: Texts, settings: ChunkingSettings) -> Sequence[Sequence[Span]]:
        """The spans of every text."""
        clock = self._clock.monotonic
        return await self.run(texts, lambda: [chunk(text, settings, clock=clock) for text in texts])

    async def preview(self, texts: Texts, spans: Sequence[Sequence[Span]]) -> Sequence[Sequence[Previewed]]:
        """The chunks of every text, as `preview` tells them."""
        return await self.run(texts, lambda: [*map(preview, texts, spans)])

    async def run(self, texts: Texts, work: Callable[[], T]) -> T:
        """The result of *work* on *texts*, done in a thread when they are long."""
        if sum(map(len, texts)) <= LARGE:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def pieces(texts: Texts, spans: Sequence[Sequence[Span]]) -> Texts:
    """The text of every chunk, of all inputs in one row."""
    return tuple(text[start:end] for text, own in zip(texts, spans, strict=True) for start, end in own)


def regrouped(
    embedded: Embeddings | SparseEmbeddings, texts: Texts, spans: Sequence[Sequence[Span]], chunking: Chunking
) -> ChunkedEmbeddings:
    """The vectors of one row of chunks, given back to the inputs that the chunks are of.

    An input with a chunk that has none has none itself, and the error of the first such chunk.
    """
    dense = isinstance(embedded, Embeddings)
    row = iter(embedded.vectors if dense else [weights for weights, _ in embedded.weights])
    inputs = [[(span, next(row)) for span in own] for own in spans]
    errors = _of_inputs(embedded.errors, owners(spans), len(texts))
    inputs = [[] if index in errors else chunks for index, chunks in enumerate(inputs)]
    if chunking.fold:
        inputs = [_folded(chunks) for chunks in inputs]
    chunks_of_inputs = [list(_chunks(text, chunks, chunking)) for text, chunks in zip(texts, inputs, strict=True)]
    cut = len(embedded.cut) if dense else sum(shortened for _, shortened in embedded.weights)
    return ChunkedEmbeddings(chunks_of_inputs, embedded.usage, cut, errors)


def owners(spans: Sequence[Sequence[Span]]) -> Sequence[int]:
    """The input that each chunk is of."""
    return [index for index, own in enumerate(spans) for _ in own]


def _of_inputs(errors: Mapping[int, InferenceError], owned: Sequence[int], count: int) -> Mapping[int, InferenceError]:
    """The first error of each input's chunks, about that input where it was about the chunk."""
    of_inputs: dict[int, InferenceError] = {}
    for place, error in sorted(errors.items()):
        index = owned[place]
        about = index if error.index is not None and count > 1 else None
        of_inputs.setdefault(index, error.of_input(about))
    return of_inputs


def _chunks(text: str, chunks: Sequence[tuple[Span, Any]], chunking: Chunking) -> Iterator[Chunk]:
    for (start, end), vector in chunks:
        yield Chunk(start, end, vector, text[start:end] if chunking.return_text else None)


def _folded(chunks: list[tuple[Span, Any]]) -> list[tuple[Span, Any]]:
    """At most 512 chunks, by Elasticsearch's rule: the i-th of n goes to slot i·512 // n, whose vector is a mean."""
    count = len(chunks)
    if count <= MOST_CHUNKS:
        return chunks
    slots: list[list[tuple[Span, Any]]] = [[] for _ in range(MOST_CHUNKS)]
    for index, chunk_and_vector in enumerate(chunks):
        slots[index * MOST_CHUNKS // count].append(chunk_and_vector)
    return [((slot[0][0][0], slot[-1][0][1]), _mean([vector for _, vector in slot])) for slot in slots]


def _mean(embeddings: Sequence[Any]) -> Any:
    if len(embeddings) == 1:
        return embeddings[0]
    if isinstance(embeddings[0], Mapping):  # a token that a chunk lacks weighs nothing there
        names = dict.fromkeys(name for weights in embeddings for name in weights)
        return {name: sum(weights.get(name, 0.0) for weights in embeddings) / len(embeddings) for name in names}
    rows = [msgspec.json.decode(vector, type=list[float]) for vector in embeddings]
    if len({len(row) for row in rows}) != 1:
        raise InferenceError(Kind.UNREADABLE, "The provider answered embeddings of different lengths")
    return vectors.written(sum(column) / len(rows) for column in zip(*rows, strict=True))
