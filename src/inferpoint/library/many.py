"""Any number of texts to embeddings, in their order: so many of them at once that memory and the provider bear it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from itertools import islice
from typing import Any, TypedDict, TypeVar, cast

import msgspec

from inferpoint.bulk.asking import Asking
from inferpoint.bulk.job import UNCOMMITTED, FailureKind
from inferpoint.bulk.steps import STEP_CHARACTERS
from inferpoint.clock import SystemClock
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.library.backend import Backend
from inferpoint.library.endpoint import EndpointInference
from inferpoint.library.options import Settings
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import parse
from inferpoint.model.results import Chunk

T = TypeVar("T")

WINDOWS = 4  # asked for at once
WINDOW = UNCOMMITTED // WINDOWS  # items of one
_SECONDS = 0.2  # for which a window waits for more items: those of a slow source are not held back
_END = object()
_ONE = asyncio.FIRST_COMPLETED

AnyItems = Iterable[Any] | AsyncIterable[Any]
Waiting = Callable[[InferenceError | None], None]


class ManyOptions(TypedDict, total=False):
    """How many texts are embedded: `text` and `id` name members of items that are mappings.

    With `chunked` long texts are cut as the endpoint's chunking says. `task_settings` go before the endpoint's.
    `waiting` is told why the work stands still, and None when it goes on.
    """

    text: str
    id: str
    chunked: bool
    task_settings: Settings
    waiting: Waiting


class Embedded(msgspec.Struct, frozen=True):
    """What became of one item: `vector`, or `chunks` where texts are cut, or an `error` of its own.

    `item` is as it came; `id` is its own, or its number. `vector` is JSON text as it came (`msgspec.Raw`), or the
    weights of tokens where the endpoint is sparse.
    """

    id: Any
    item: Any
    vector: Any = None
    chunks: Sequence[Chunk] = ()
    error: InferenceError | None = None

    def numbers(self) -> list[float]:
        """The vector as numbers; that of an item with an error raises it."""
        if self.error is not None:
            raise self.error
        return parse(bytes(self.vector), list[float], of="embeddings")


class Item(msgspec.Struct, frozen=True):
    """One thing to embed: as it came, its id, and its text; no text where it has none."""

    id: Any
    item: Any
    text: str | None


class Embedder:
    """Embeds windows of items by the endpoint *inference_id* of *backend*."""

    def __init__(self, backend: Backend, inference_id: str, options: ManyOptions) -> None:
        self._inference = inference = EndpointInference(backend, inference_id)
        self._chunked = options.get("chunked", False)
        settings, waiting = options.get("task_settings", {}), options.get("waiting", lambda _error: None)
        self._asking = Asking(inference, SystemClock(), True, self._chunked, settings, None, waiting)

    async def check(self) -> None:
        """Say that the endpoint embeds nothing, where it does not: `INVALID`."""
        shown = await self._inference.shown()
        if not TaskType(shown["task_type"]).embeds:
            raise invalid(f"[{shown['inference_id']}] is for [{shown['task_type']}] and embeds nothing")

    async def embed(self, window: Sequence[Item]) -> list[Embedded]:
        """What became of each item of *window*."""
        texts = {place: item.text for place, item in enumerate(window) if item.text is not None and item.text.strip()}
        answers = await self._asking.ask(texts)
        return [
            self._one(item, answers.values.get(place), answers.failures.get(place)) for place, item in enumerate(window)
        ]

    def _one(self, item: Item, value: Any, failure: tuple[FailureKind, str] | None) -> Embedded:
        if failure is not None:
            kind = Kind.CONTEXT_OVERFLOW if failure[0] is FailureKind.TOO_LONG else Kind.INVALID
            return Embedded(item.id, item.item, error=InferenceError(kind, failure[1]))
        if value is None:
            return Embedded(item.id, item.item, error=invalid("There is no text"))
        return Embedded(item.id, item.item, **{"chunks" if self._chunked else "vector": value})


async def embedded(embedder: Embedder, items: AnyItems, options: ManyOptions) -> AsyncGenerator[Embedded]:
    """What became of each of *items*, in their order and as soon as it is known."""
    await embedder.check()
    arriving = _arriving(items, options) if isinstance(items, AsyncIterable) else _at_once(windows(items, options))
    going: deque[asyncio.Task[list[Embedded]]] = deque()
    coming: asyncio.Task[Any] | None = _begun(_next(arriving))
    try:
        while coming is not None or going:
            await asyncio.wait(
                [*([coming] if coming and len(going) < WINDOWS else ()), *islice(going, 1)], return_when=_ONE
            )
            if coming is not None and coming.done() and len(going) < WINDOWS:
                window = coming.result()
                coming = None if window is _END else _begun(_next(arriving))
                if window is not _END:
                    going.append(_begun(embedder.embed(window)))
            while going and going[0].done():
                for result in going.popleft().result():
                    yield result
    finally:
        await _given_up(*going, *([coming] if coming else ()))
        await arriving.aclose()


async def exchanged(embedder: Embedder) -> AsyncGenerator[list[Embedded], list[Item] | None]:
    """The results that are next, for windows that are sent one by one; None is sent when there are no more."""
    await embedder.check()
    going: deque[asyncio.Task[list[Embedded]]] = deque()
    try:
        window = yield []
        while window is not None or going:
            if window is not None:
                going.append(_begun(embedder.embed(window)))
            results: list[Embedded] = []
            while going and (going[0].done() or len(going) >= WINDOWS or (window is None and not results)):
                results += await going.popleft()
            window = yield results
    finally:
        await _given_up(*going)


def windows(items: Iterable[Any], options: ManyOptions) -> Iterator[list[Item]]:
    """*items* so many at a time, or as many as came in a short time."""
    window = _Window(options)
    for item in items:
        window.add(item)
        if window.is_due:
            yield window.take()
    if window.items:
        yield window.take()


async def _at_once(items: Iterable[T]) -> AsyncGenerator[T]:
    for item in items:
        yield item


async def _arriving(items: AsyncIterable[Any], options: ManyOptions) -> AsyncGenerator[list[Item]]:
    """*items* so many at a time, or as many as came in a short time, which are not held back while none comes."""
    window, iterator = _Window(options), aiter(items)
    coming = _begun(_next(iterator))
    try:
        while True:
            await asyncio.wait([coming], timeout=window.seconds_left)
            if coming.done():
                if (item := coming.result()) is _END:
                    break
                window.add(item)
                coming = _begun(_next(iterator))
            if window.is_due:
                yield window.take()
        if window.items:
            yield window.take()
    finally:
        await _given_up(coming)


class _Window:
    """Items that are collected until they are asked for together, with their numbers."""

    def __init__(self, options: ManyOptions) -> None:
        self._text, self._id = options.get("text", "text"), options.get("id", "id")
        self._count = 0
        self._begun = 0.0
        self._characters = 0
        self.items: list[Item] = []

    @property
    def is_due(self) -> bool:
        """Whether what is there should wait for no more."""
        full = len(self.items) >= WINDOW or self._characters >= STEP_CHARACTERS
        return full or (bool(self.items) and time.monotonic() - self._begun >= _SECONDS)

    @property
    def seconds_left(self) -> float | None:
        """How long what is there may wait; None where nothing is there."""
        return max(0.0, self._begun + _SECONDS - time.monotonic()) if self.items else None

    def add(self, item: Any) -> None:
        """Take in the next item."""
        if not self.items:
            self._begun, self._characters = time.monotonic(), 0
        read = self._read(item)
        self._count += 1
        self._characters += len(read.text or "")
        self.items.append(read)

    def take(self) -> list[Item]:
        """What is there, which is there no more."""
        taken, self.items = self.items, []
        return taken

    def _read(self, item: Any) -> Item:
        match item:
            case str():
                return Item(self._count, item, item)
            case (own_id, str(text)):
                return Item(own_id, item, text)
            case Mapping():
                members = cast("Mapping[str, Any]", item)
                text = members.get(self._text)
                return Item(members.get(self._id, self._count), item, text if isinstance(text, str) else None)
            case _:
                return Item(self._count, item, None)


async def _next(iterator: AsyncIterator[Any]) -> Any:
    return await anext(iterator, _END)


def _begun(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    return asyncio.get_running_loop().create_task(work)


async def _given_up(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
