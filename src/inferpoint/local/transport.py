"""Models that run in our own process: the transport of `local:` addresses.

A call's body names the model and the texts, and how many threads and workers to use; its reply holds the vectors, the
weights of word pieces or, for a `query`, the scores.
Nothing but waiting happens on the event loop. The texts are cut into short batches and every call has only as many
of them in the workers' queue as there are workers: calls take turns, and one that is cancelled stops at its next batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from typing_extensions import override

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.local import models
from inferpoint.local.encoder import Encoder, Pieces, load
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.outbound.transport import Arriving, Transport, Whole

T = TypeVar("T")
R = TypeVar("R")

LENGTHS = "local:lengths"
_TASKS = {f"local:{task}": task for task in (TaskType.TEXT_EMBEDDING, TaskType.SPARSE_EMBEDDING, TaskType.RERANK)}
_JSON = {"content-type": "application/json"}
_BATCH_PIECES = 512  # padding counted; a tenth of a second on one core, and more at once is no faster
_SLICE_CHARACTERS = 65_536
_Count = Annotated[int, msgspec.Meta(ge=1, le=256)]


@dataclass(frozen=True)
class _Order:
    """The body of a call."""

    model: str
    inputs: list[str]
    truncate: Literal["none", "end"] = "none"
    num_threads: _Count = 1
    num_allocations: _Count = 1
    query: str | None = None


class LocalModels(Transport):
    """The installed models, each loaded when it is first asked for and kept.

    A reply holds numbers, or the words of an `error`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._desk = ThreadPoolExecutor(2, "local-desk")  # reads calls, cuts texts to word pieces, writes replies
        self._loader = ThreadPoolExecutor(1, "local-loader")
        self._encoders: dict[tuple[str, int], Future[Encoder]] = {}
        self._workers: dict[tuple[str, int, int], ThreadPoolExecutor] = {}

    @override
    async def send(self, call: Call) -> Arriving:
        try:
            return Whole(Reply(200, await self._answer(call), _JSON))
        except InferenceError as error:
            status = 500 if error.kind is Kind.INTERNAL else 400
            return Whole(Reply(status, msgspec.json.encode({"error": str(error)}), _JSON))

    def close(self) -> None:
        """Give up what waits and let the threads end."""
        for pool in (self._desk, self._loader, *self._workers.values()):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, call: Call) -> bytes:
        """The numbers of texts, or how long each is as a part of what the model takes."""
        order = await _run(self._desk, _read, call)
        encoder = await self._encoder(order.model, order.num_threads)
        task = _task(encoder, call, order)
        slices = await _run(self._desk, plan, [len(text) for text in order.inputs], _SLICE_CHARACTERS)
        cut = encoder.pieces if order.query is None else partial(encoder.pairs, order.query)
        pieces = await _batch_by_batch(self._desk, 1, cut, order.inputs, slices)
        if call.url == LENGTHS:
            return await _run(self._desk, _lengths, pieces, encoder.max_tokens)
        batches = await _run(self._desk, _batches, order, pieces, encoder.max_tokens)
        workers = self._pool(order)
        results = await _batch_by_batch(workers, order.num_allocations, _work(encoder, task), pieces, batches)
        return await _run(self._desk, _written, task, results, pieces)

    async def _encoder(self, model: str, num_threads: int) -> Encoder:
        """The model, loaded once for all who ask; a failure is forgotten, so that it may be mended meanwhile."""
        key = (model, num_threads)
        if key not in self._encoders:
            self._encoders[key] = self._loader.submit(self._load, model, num_threads)
        try:
            return await asyncio.shield(asyncio.wrap_future(self._encoders[key]))
        except InferenceError:
            self._encoders.pop(key, None)
            raise

    def _load(self, name: str, num_threads: int) -> Encoder:
        model = models.find(self._folder, name)
        if model is None:
            present = ", ".join(other.name for other in models.installed(self._folder)) or "none"
            raise invalid(
                f"The model [{name}] is not installed (installed: {present}); "
                "see `inferpoint models list`, and install one with `inferpoint models import`"
            )
        return replace(load(self._folder / name, model.max_tokens, num_threads), task=model.task)

    def _pool(self, order: _Order) -> ThreadPoolExecutor:
        key = (order.model, order.num_threads, order.num_allocations)
        if key not in self._workers:
            self._workers[key] = ThreadPoolExecutor(order.num_allocations, f"local-{order.model}")
        return self._workers[key]


def plan(sizes: Sequence[int], budget: int) -> list[list[int]]:
    """Indexes in batches of like sizes, each no more than *budget* when all in it are as large as its largest."""
    batches: list[list[int]] = []
    for index in sorted(range(len(sizes)), key=sizes.__getitem__):
        size = max(1, sizes[index])
        if batches and (len(batches[-1]) + 1) * size <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def _read(call: Call) -> _Order:
    if call.url not in (*_TASKS, LENGTHS):
        problem = f"Local models do dense and sparse embeddings and rankings; there is nothing at [{call.url}]"
        raise invalid(problem)
    try:
        return msgspec.json.decode(call.body, type=_Order)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"The call to the local model cannot be read: {error}") from None


def _task(encoder: Encoder, call: Call, order: _Order) -> TaskType:
    """What is asked of a model, which must be what it is for; of lengths, that is all the same."""
    task = _TASKS.get(call.url, encoder.task)
    if task is not encoder.task:
        raise invalid(f"The model [{order.model}] does [{encoder.task}], and not [{task}]")
    if call.url != LENGTHS and (task is TaskType.RERANK) is not (order.query is not None):
        raise invalid("The call to the local model cannot be read: a ranking has a query, and nothing else has one")
    return task


def _work(encoder: Encoder, task: TaskType) -> Callable[[Sequence[Pieces]], list[bytes]]:
    match task:
        case TaskType.SPARSE_EMBEDDING:
            return encoder.weights
        case TaskType.RERANK:
            return encoder.scores
        case _:
            return encoder.vectors


def _batches(order: _Order, pieces: Sequence[Pieces], limit: int) -> list[list[int]]:
    """The batches to embed; texts that are too long are refused unless they may be cut."""
    if order.truncate == "none":
        too_long = [text.count for text in pieces if text.cut]  # not where: nobody knows a text by its place here
        if too_long:
            least = f"{len(too_long)} have at least {min(too_long)}" if len(too_long) > 1 else f"one has {too_long[0]}"
            raise invalid(
                f"The model [{order.model}] takes {limit} word pieces a text, and {least}; "
                "send shorter texts, or set [truncate] to [end] to have them cut"
            )
    return plan([len(text.ids) for text in pieces], _BATCH_PIECES)


def _lengths(pieces: Sequence[Pieces], limit: int) -> bytes:
    return msgspec.json.encode({"lengths": [text.count / limit for text in pieces]})


def _written(task: TaskType, results: Sequence[bytes], pieces: Sequence[Pieces]) -> bytes:
    tokens = sum(len(text.ids) for text in pieces)
    cut = msgspec.json.encode([index for index, text in enumerate(pieces) if text.cut])
    name = b"scores" if task is TaskType.RERANK else b"embeddings"
    return b'{"%b":[%b],"tokens":%d,"cut":%b}' % (name, b",".join(results), tokens, cut)


async def _run(pool: ThreadPoolExecutor, work: Callable[..., R], *arguments: object) -> R:
    return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)


async def _batch_by_batch(
    pool: ThreadPoolExecutor,
    at_once: int,
    work: Callable[[Sequence[T]], list[R]],
    items: Sequence[T],
    batches: Sequence[Sequence[int]],
) -> list[R]:
    """*work* done on every batch, *at_once* at the most; the results in the order of *items*."""
    results: dict[int, R] = {}
    waiting = iter(batches)

    async def walk() -> None:
        for batch in waiting:
            done = await _run(pool, work, [items[index] for index in batch])
            results.update(zip(batch, done, strict=True))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(batches))):
                group.create_task(walk())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [results[index] for index in range(len(items))]
