"""Long inputs to chunks and back: each input's chunks with their vectors, no more than 512 of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from inferpoint.chunking import chunk, count_words, memory
from inferpoint.chunking.search_time import SearchTime
from inferpoint.chunking.settings import ChunkingSettings, Recursive, read
from inferpoint.clock import Clock
from inferpoint.errors import InferenceError, Kind, Subject, invalid
from inferpoint.model.deadline import NEVER, Deadline
from inferpoint.model.limits import DEFAULTS, Limits
from inferpoint.model.requests import Chunking, Texts
from inferpoint.model.results import Chunk, ChunkedEmbeddings, Embeddings, Previewed, SparseEmbeddings
from inferpoint.model.times import human
from inferpoint.model.vectors import numbers, written

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

    They are not the event loop's own, which look up the names of providers. Separators of a caller's own, which may
    take any time, have threads of their own: they keep no other text waiting.
    """

    def __init__(self, clock: Clock, limits: Limits = DEFAULTS) -> None:
        self._clock = clock
        self._search_seconds = limits.separator_seconds
        self._room = _Room(limits.chunking_bytes)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="chunking")
        self._searching = ThreadPoolExecutor(2, thread_name_prefix="separators")

    def close(self) -> None:
        """Give up what waits and let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._searching.shutdown(wait=False, cancel_futures=True)

    async def cut(
        self, texts: Texts, settings: ChunkingSettings, deadline: Deadline = NEVER
    ) -> Sequence[Sequence[Span]]:
        """The spans of every text that are not blank: as in `semantic_text` nothing is asked about those."""
        return await self._of_all(texts, settings, deadline, partial(_spans, settings))

    async def preview(self, texts: Texts, spans: Sequence[Sequence[Span]]) -> Sequence[Sequence[Previewed]]:
        """The chunks of every text, as `preview` tells them."""
        return await self.run(texts, lambda: [*map(preview, texts, spans)])

    async def run(self, texts: Texts, work: Callable[[], T]) -> T:
        """The result of *work* on *texts*, done in a thread when they are long."""
        if sum(map(len, texts)) <= LARGE:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _of_all(
        self,
        texts: Texts,
        settings: ChunkingSettings,
        deadline: Deadline,
        of_one: Callable[[SearchTime, str], Sequence[T]],
    ) -> Sequence[Sequence[T]]:
        def work() -> Sequence[Sequence[T]]:
            with self._room.taken(sum(memory(text, settings) for text in texts) if long else 0):
                seconds = min(self._search_seconds, deadline.left(self._clock.monotonic()))
                search_time = SearchTime(self._clock.monotonic, seconds)
                return [of_one(search_time, text) for text in texts if self._is_before(deadline)]

        long = sum(map(len, texts)) > LARGE
        try:
            async with asyncio.timeout(None if deadline is NEVER else deadline.left(self._clock.monotonic())):
                if isinstance(settings, Recursive) and settings.own:
                    return await asyncio.get_running_loop().run_in_executor(self._searching, work)
                return await self.run(texts, work)
        except TimeoutError:
            problem = f"The inputs were not cut into chunks within [{human(deadline.timeout)}]"
            raise InferenceError(Kind.TIMED_OUT, problem) from None

    def _is_before(self, deadline: Deadline) -> bool:
        """True, or `TimeoutError` once the *deadline* has passed: nobody waits for the rest."""
        if deadline.left(self._clock.monotonic()) <= 0:
            raise TimeoutError
        return True


class _Room:
    """The memory for texts that are cut at the same time, at *most* so many bytes; threads wait until there is room."""

    def __init__(self, most: int) -> None:
        self._most = self._left = most
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, size: int) -> Generator[None]:
        """A context for work that takes so many bytes; `TOO_LARGE` where there never is room for it."""
        if size > self._most:
            problem = (
                f"Cutting the inputs into chunks could take [{size}] bytes, more than the [{self._most}] there are"
            )
            raise InferenceError(Kind.TOO_LARGE, problem)
        with self._changed:
            self._changed.wait_for(lambda: self._left >= size)
            self._left -= size
        try:
            yield
        finally:
            with self._changed:
                self._left += size
                self._changed.notify_all()


def _spans(settings: ChunkingSettings, search_time: SearchTime, text: str) -> Sequence[Span]:
    return chunk(text, settings, search_time=search_time)


def worded(texts: Texts, spans: Sequence[Sequence[Span]]) -> Sequence[Sequence[Span]]:
    """The *spans* of *texts* that are not blank: as in `semantic_text`, nothing is asked about those."""
    return [
        [(start, end) for start, end in own if text[start:end].strip()] for text, own in zip(texts, spans, strict=True)
    ]


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
    rows = [numbers(vector) for vector in embeddings]
    if len({len(row) for row in rows}) != 1:
        raise InferenceError(Kind.UNREADABLE, "The provider answered embeddings of different lengths")
    return written(sum(column) / len(rows) for column in zip(*rows, strict=True))
