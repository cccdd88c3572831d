"""What waits for a call, and who for: inputs, those who ask for them, and the pools in which inputs travel together."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from inferpoint.endpoints.caches import Given
from inferpoint.endpoints.resolved import Resolved
from inferpoint.engine.sizing import Bounds, Load, Sizing
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.inference import (
    Embeddings,
    InferenceRequest,
    InferenceResult,
    Journey,
    SparseEmbeddings,
    Tokens,
    Usage,
)


class Travels(Protocol):
    """A call that is made for the inputs of a pool."""

    journey: Journey

    def cancel_if_unwanted(self) -> None:
        """End it when nobody asks for any of its inputs."""
        ...

    def cancel(self) -> None:
        """It is not needed."""
        ...


class Item:
    """One input, and everyone who asks for it: at which places of their requests.

    `trip` is the call that it is on, `before` what was known of calls' sizes before one with it was too large.
    """

    __slots__ = ("askers", "before", "given", "load", "trip")

    def __init__(self, given: Given, load: Load) -> None:
        self.given = given
        self.load = load
        self.askers: dict[Asker, Sequence[int]] = {}
        self.trip: Travels | None = None
        self.before: Bounds | None = None

    def is_late(self, now: float) -> bool:
        """Whether a call that begins now is too late for all who ask."""
        return all(asker.begin_by is not None and asker.begin_by < now for asker in self.askers)

    def give(self, value: Any, *, cut: bool, tokens: int | None) -> None:
        """Its embedding has come; the tokens it cost are told to the first who asked, as they were paid once."""
        for asker, indexes in self.askers.items():
            asker.give(indexes, value, cut=cut, tokens=tokens)
            tokens = None if tokens is None else 0
        self.askers.clear()

    def refuse(self, error: Exception, *, alone: bool) -> None:
        """It will not come; *alone* when that is its own fault."""
        for asker, indexes in self.askers.items():
            asker.refuse(indexes, error, alone=alone)
        self.askers.clear()

    def __repr__(self) -> str:
        return f"Item({self.load.bytes} bytes)"


class Asker:
    """One request, which *began* to ask at a moment of the clock, and what has come for it so far.

    `done` is when nothing is missing, or why nothing will come. A call for it that has not begun by `begin_by` is late.
    """

    def __init__(self, request: InferenceRequest, began: float, begin_by: float | None) -> None:
        self.request = request
        self.begin_by = begin_by
        self._began = began
        self.inputs: Sequence[Given] = request.input.inputs if isinstance(request.input, Tokens) else request.texts
        self.pool: Pool | None = None
        self.items: list[Item] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._found: list[Any] = [None] * len(self.inputs)
        self._missing = set(range(len(self.inputs)))
        self._cut: set[int] = set()
        self._errors: dict[int, InferenceError] = {}
        self._tokens: int | None = 0  # None when anybody did not tell

    def ask(self, item: Item, indexes: Sequence[int]) -> None:
        """Wait for *item*."""
        item.askers[self] = indexes
        self.items.append(item)

    def begun(self) -> bool:
        """Whether anything of it is on its way, or was."""
        return self.request.journey.begun() or any(item.trip is not None for item in self.items)

    def give(self, indexes: Sequence[int], value: Any, *, cut: bool, tokens: int | None) -> None:
        """An input's embedding has come."""
        for index in indexes:
            self._found[index] = value
        if cut:
            self._cut.update(indexes)
        self._tokens = None if tokens is None or self._tokens is None else self._tokens + tokens
        self._came(indexes)

    def refuse(self, indexes: Sequence[int], error: Exception, *, alone: bool) -> None:
        """An input will not come: the end, or in a partial request this input's own."""
        for index in indexes:
            if alone and len(self.inputs) > 1 and isinstance(error, InferenceError):
                error = error.of_input(index)
            if self.request.partial and isinstance(error, InferenceError):
                self._errors[index] = error
            elif not self.done.done():
                self.done.set_exception(error)
        self._came(indexes)

    def travelled(self, journey: Journey, now: float) -> None:
        """A call is over. It may have waited, or been on its way, before this request came."""
        here = now - self._began
        upstream = min(journey.upstream, here)
        self._count(journey, min(journey.queued, here - upstream), upstream)

    def left(self, trips: Iterable[Travels | None], now: float) -> None:
        """The request is over before its calls are; None stands for those whose turn had not come."""
        here = now - self._began
        for trip in trips:
            journey = Journey(queued=here) if trip is None else trip.journey
            queued = min(journey.queued, here)
            self._count(journey, queued, here - queued if journey.attempts else 0.0)

    def _count(self, journey: Journey, queued: float, upstream: float) -> None:
        self.request.journey.add(replace(journey, queued=queued, upstream=upstream))

    def end(self, error: InferenceError) -> None:
        """Whatever is missing will not come."""
        self._errors.update(dict.fromkeys(self._missing, error))

    def close(self) -> None:
        """Nobody waits any more: what went wrong is not missed."""
        if self.done.done() and not self.done.cancelled():
            self.done.exception()

    def result(self, *, sparse: bool) -> Embeddings | SparseEmbeddings:
        """What has come."""
        usage = None if self._tokens is None else Usage(self._tokens)
        if sparse:
            weights = [(found, index in self._cut) for index, found in enumerate(self._found)]
            return SparseEmbeddings(weights, usage, self._errors)
        return Embeddings(self._found, usage, frozenset(self._cut), self._errors)

    def _came(self, indexes: Sequence[int]) -> None:
        self._missing.difference_update(indexes)
        if not self._missing and not self.done.done():
            self.done.set_result(None)


class Pool:
    """The inputs that may travel together: those that wait, and in `items` also those that are on their way.

    An input that is asked for again before it has come is asked of the provider once.
    """

    def __init__(self, key: Hashable, resolved: Resolved, request: InferenceRequest, sizing: Sizing) -> None:
        self.key = key
        self.resolved = resolved
        self.sizing = sizing
        self.items: dict[Given, Item] = {}
        self.waiting: dict[Item, None] = {}
        self.load = Load()
        self.trips: list[Travels] = []  # those whose turn has not come
        self.deadline: float | None = 0.0
        self.in_vain = 0  # inputs in a row that were refused on their own
        self.too_large = 0  # calls in a row
        self._request = replace(request, journey=Journey())
        self._tokens = isinstance(request.input, Tokens)

    def put(self, given: Given, load: Load) -> None:
        """Have one more input wait."""
        item = self.items[given] = Item(given, load)
        self.waiting[item] = None
        self.load.add(load)

    def late(self, now: float) -> list[Item]:
        """Those of which nobody would have the answer in time any more, up to the first that is not so."""
        return list(itertools.takewhile(lambda item: item.is_late(now), self.waiting))

    def take(self) -> list[Item]:
        """As many of those that wait longest as one call may hold."""
        if self.sizing.fits(self.load):
            everything = list(self.waiting)
            self.waiting, self.load = {}, Load()
            return everything
        load, taken = Load(), list[Item]()
        for item in self.waiting:
            load.add(item.load)
            if taken and not self.sizing.fits(load):
                break
            taken.append(item)
        for item in taken:
            self._waits_no_more(item)
        return taken

    def put_back(self, items: Iterable[Item]) -> None:
        """Have *items* wait again, before all others."""
        back = [item for item in items if item.askers]
        self.waiting = {**dict.fromkeys(back), **self.waiting}
        for item in back:
            item.trip = None
            self.load.add(item.load)

    def forget(self, item: Item) -> None:
        """*item* has come, or nobody asks for it any more."""
        if self.items.get(item.given) is item:
            del self.items[item.given]
        if item in self.waiting:
            self._waits_no_more(item)

    def prolong(self, deadline: float | None) -> None:
        """Somebody waits until *deadline*."""
        self.deadline = None if deadline is None or self.deadline is None else max(self.deadline, deadline)

    def request(self, items: Sequence[Item]) -> InferenceRequest:
        """What to ask of the provider for *items*."""
        given: Any = tuple(item.given for item in items)
        return replace(self._request, input=Tokens(given) if self._tokens else given, deadline=self.deadline)

    def _waits_no_more(self, item: Item) -> None:
        del self.waiting[item]
        self.load.add(item.load, -1)


def rows(result: InferenceResult, count: int) -> list[tuple[Any, bool]]:
    """Each embedding of *result* and whether its input was cut; `UNREADABLE` unless there are *count*."""
    if isinstance(result, SparseEmbeddings):
        found = list(result.weights)
    else:
        assert isinstance(result, Embeddings)
        found = [(vector, index in result.cut) for index, vector in enumerate(result.vectors)]
    if len(found) != count:
        raise InferenceError(Kind.UNREADABLE, f"The provider answered [{len(found)}] embeddings for [{count}] inputs")
    return found


def loaded(items: Iterable[Item]) -> Load:
    """What *items* are together."""
    total = Load()
    for item in items:
        total.add(item.load)
    return total


def divided(total: int, weights: Sequence[int]) -> list[int]:
    """*total* in whole parts in proportion to *weights*, which add up to it."""
    whole = sum(weights)
    if not whole:
        return [total, *[0] * (len(weights) - 1)] if weights else []
    parts: list[int] = []
    seen = given = 0
    for weight in weights:
        seen += weight
        parts.append(total * seen // whole - given)
        given += parts[-1]
    return parts
