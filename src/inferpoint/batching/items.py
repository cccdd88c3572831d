"""The inputs that wait for a batch, and the requests that ask for them."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from inferpoint.calls.sizing import Bounds, Load, load_of
from inferpoint.endpoints.caches import Input
from inferpoint.errors import InferenceError
from inferpoint.model.deadline import Deadline
from inferpoint.model.requests import InferenceRequest, RequestStats
from inferpoint.model.results import Embeddings, SparseEmbeddings, Usage


class Carrier(Protocol):
    """The call that an input is part of."""

    stats: RequestStats

    @abstractmethod
    def cancel_if_unwanted(self) -> None:
        """End the call when nobody waits for any of its inputs."""

    @abstractmethod
    def cancel(self) -> None:
        """End the call, which is not needed."""


class Item(msgspec.Struct, eq=False):
    """One input, and everyone who waits for it: at which places of their requests.

    `sent` is what of it goes to the provider, after `halvings` of what was too long. `batch` is the call that it is
    part of, `before` what was known of calls' sizes before one with it was too large.
    """

    input: Input
    sent: Input
    load: Load
    waiters: dict[Waiter, Sequence[int]] = {}
    batch: Carrier | None = None
    before: Bounds | None = None
    halvings: int = 0

    def is_late(self, now: float) -> bool:
        """Whether a call that begins now is too late for all who wait."""
        for waiter in self.waiters:  # noqa: SIM110 - a generator would cost three calls more for each input
            if waiter.begin_by.at >= now:
                return False
        return True

    def shorten(self, sent: Input) -> None:
        """Have *sent*, half of what went to the provider, go there from now on."""
        self.halvings += 1
        self.sent = sent
        self.load = load_of(sent)

    def give(self, value: Any, *, cut: bool, tokens: int | None) -> None:
        """Hand the embedding to all waiters; the first is told the tokens it cost, as they were paid once."""
        waiters, self.waiters = self.waiters, {}
        for waiter in waiters:
            waiter.give(waiters[waiter], value, cut=cut, tokens=tokens)
            tokens = None if tokens is None else 0

    def refuse(self, error: Exception, *, alone: bool) -> None:
        """Tell all waiters that the embedding will not come; *alone* when that is the input's own fault."""
        waiters, self.waiters = self.waiters, {}
        for waiter, indexes in waiters.items():
            waiter.refuse(indexes, error, alone=alone)

    def __repr__(self) -> str:
        return f"Item({self.load.bytes} bytes)"


class Waiter:
    """One request, which *began* to ask at a moment of the clock, and what has come for it so far.

    `done` is when nothing is missing, or why nothing will come. A call for it that has not begun by `begin_by` is late.
    """

    def __init__(self, request: InferenceRequest, began: float, begin_by: Deadline) -> None:
        self.request = request
        self.begin_by = begin_by
        self._began = began
        self.inputs: Sequence[Input] = request.inputs
        self.items: Collection[Item] = ()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._missing = len(self.inputs)
        self._values: list[Any] = [None] * self._missing
        self._cut: set[int] = set()
        self._errors: dict[int, InferenceError] = {}
        self._tokens: int | None = 0  # None when anybody did not tell
        if not self.inputs:
            self._end()

    def ask(self, wanted: Mapping[Item, Sequence[int]]) -> None:
        """Wait for the items that are *wanted*, each at its places of the request."""
        for item in wanted:
            item.waiters[self] = wanted[item]
        self.items = wanted

    def begun(self) -> bool:
        """Whether anything of the request is on its way, or was."""
        return self.request.stats.begun() or any(item.batch is not None for item in self.items)

    def give(self, indexes: Sequence[int], value: Any, *, cut: bool, tokens: int | None) -> None:
        """Take the embedding of the input at *indexes*."""
        for index in indexes:
            self._values[index] = value
            self._missing -= 1
        if cut:
            self._cut.update(indexes)
        self._tokens = None if tokens is None or self._tokens is None else self._tokens + tokens
        if not self._missing:
            self._end()

    def refuse(self, indexes: Sequence[int], error: Exception, *, alone: bool) -> None:
        """Take that the input at *indexes* has no embedding: the end, or in a partial request this input's own."""
        self._missing -= len(indexes)
        for index in indexes:
            if alone and len(self.inputs) > 1 and isinstance(error, InferenceError):
                error = error.of_input(index)
            if self.request.partial and isinstance(error, InferenceError):
                self._errors[index] = error
            elif not self.done.done():
                self.done.set_exception(error)
                self.done.exception()  # one that nobody reads any more is not reported as forgotten
        if not self._missing:
            self._end()

    def count(self, stats: RequestStats, now: float) -> None:
        """Count a call that is over, of which only the time since this request came is the request's own."""
        here = now - self._began
        upstream = min(stats.upstream, here)
        self._add(stats, min(stats.queued, here - upstream), upstream)

    def leave(self, batches: Iterable[Carrier | None], now: float) -> None:
        """Count the calls that are not over as the request ends; None stands for those whose turn had not come."""
        here = now - self._began
        for batch in batches:
            stats = RequestStats(queued=here) if batch is None else batch.stats
            queued = min(stats.queued, here)
            self._add(stats, queued, here - queued if stats.attempts else 0.0)

    def _add(self, stats: RequestStats, queued: float, upstream: float) -> None:
        self.request.stats.add(replace(stats, queued=queued, upstream=upstream))

    def end(self, error: InferenceError) -> None:
        """Have *error* be that of every input whose embedding is missing."""
        missing = [index for index, value in enumerate(self._values) if value is None and index not in self._errors]
        self._errors.update(dict.fromkeys(missing, error))

    def result(self, *, sparse: bool) -> Embeddings | SparseEmbeddings:
        """The embeddings that have come, and the errors of the others."""
        usage = None if self._tokens is None else Usage(self._tokens)
        if sparse:
            weights = [(value, index in self._cut) for index, value in enumerate(self._values)]
            return SparseEmbeddings(weights, usage, self._errors)
        return Embeddings(self._values, usage, frozenset(self._cut), self._errors)

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
