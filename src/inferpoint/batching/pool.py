"""The inputs that may share a call, and what becomes of a call's result for each of them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from inferpoint.batching.items import Carrier, Item
from inferpoint.calls.sizing import Load, Sizing, together
from inferpoint.endpoints.caches import Input
from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.deadline import Deadline
from inferpoint.model.requests import InferenceRequest, RequestStats
from inferpoint.model.results import Embeddings, InferenceResult, SparseEmbeddings
from inferpoint.protocols import vectors


class Pool:
    """The inputs that may share a call: those that wait, and in `items` also those that are on their way.

    An input that is asked for again before it has come is asked of the provider once. `like` is a request with all but
    the inputs; `batches` are the calls whose turn has not come.
    """

    def __init__(self, key: Hashable, resolved: Resolved, request: InferenceRequest, sizing: Sizing) -> None:
        self.key = key
        self.resolved = resolved
        self.sizing = sizing
        self.items: dict[Input, Item] = {}
        self.waiting: dict[Item, None] = {}
        self.load = Load()
        self.batches: list[Carrier] = []
        self.deadline = Deadline(0.0, 0.0)
        self.in_vain = 0  # inputs in a row that were refused on their own
        self.too_large = 0  # calls in a row
        self.failed_parts = 0  # in a row, of calls that may have failed for one of their inputs
        self._kind: Any = type(request.input)
        self.like = replace(request, input=self._kind(()), stats=RequestStats())

    def put(self, loads: Mapping[Input, Load]) -> None:
        """Have more inputs wait, each of such a load."""
        for content in loads:
            item = self.items[content] = Item(content, content, loads[content])
            self.waiting[item] = None
        self.load.add(together(loads.values()))

    def late(self, now: float) -> list[Item]:
        """The items first in line whose answer would be too late for all their waiters."""
        late: list[Item] = []
        for item in self.waiting:
            if not item.is_late(now):
                break
            late.append(item)
        return late

    def take(self) -> tuple[list[Item], Load]:
        """The items that wait longest, as many as one call may hold, and their load; they wait no more."""
        if self.sizing.fits(self.load):
            everything = list(self.waiting), self.load
            self.waiting, self.load = {}, Load()
            return everything
        load, taken = Load(), list[Item]()
        for item in self.waiting:
            load.add(item.load)
            if taken and not self.sizing.fits(load):
                break
            taken.append(item)
        return taken, self._wait_no_more(taken)

    def put_back(self, items: Iterable[Item]) -> None:
        """Have *items* wait again, before all others."""
        back = [item for item in items if item.waiters]
        self.waiting = {**dict.fromkeys(back), **self.waiting}
        for item in back:
            item.batch = None
            self.load.add(item.load)

    def forget(self, items: Sequence[Item]) -> None:
        """Drop *items*, which have come, or which nobody asks for any more."""
        for item in items:
            item.batch = None
            if item.input in self.items and self.items[item.input] is item:
                del self.items[item.input]
        if self.waiting:
            self._wait_no_more([item for item in items if item in self.waiting])

    def prolong(self, deadline: Deadline) -> None:
        """Have calls begin until *deadline*, for which somebody waits."""
        self.deadline = self.deadline.later_of(deadline)

    def request(self, items: Sequence[Item]) -> InferenceRequest:
        """The request to the provider for *items*."""
        inputs = self._kind(tuple([item.sent for item in items]))
        return replace(self.like, input=inputs, deadline=self.deadline)

    def _wait_no_more(self, items: Sequence[Item]) -> Load:
        for item in items:
            del self.waiting[item]
        load = loaded(items)
        self.load.add(load, -1)
        return load


class Rows(NamedTuple):
    """The embeddings of a call's inputs in their order: their `values`, the places of those whose inputs were `cut`.

    `errors` are the reasons why some have none, by their places.
    """

    values: Sequence[Any]
    cut: Collection[int]
    errors: Mapping[int, InferenceError]


def rows(result: InferenceResult, count: int, numbers: int | None = None) -> Rows:
    """Each embedding of *result*, or why there is none; `UNREADABLE` unless *count*.

    A vector of another length than *numbers*, where that is known, is another model's.
    """
    if isinstance(result, SparseEmbeddings):
        values = [weights for weights, _ in result.weights]
        cut = frozenset(place for place, (_, cut) in enumerate(result.weights) if cut)
    else:
        assert isinstance(result, Embeddings)
        values, cut = result.vectors, result.cut
    if len(values) != count:
        problem = f"The provider answered [{len(values)}] embeddings for [{count}] inputs"
        raise InferenceError(Kind.UNREADABLE, problem)
    if numbers is None or not isinstance(result, Embeddings):
        return Rows(values, cut, result.errors)
    lengths = vectors.other_lengths(values, numbers)
    others = {place: _other_length(lengths[place], numbers) for place in lengths}
    return Rows(values, cut, {**others, **result.errors})


def _other_length(length: int, numbers: int) -> InferenceError:
    return InferenceError(
        Kind.UNREADABLE,
        f"The provider answered an embedding of [{length}] numbers, and those of the endpoint have [{numbers}]:"
        " another model may be behind its address now",
    )


def loaded(items: Iterable[Item]) -> Load:
    """The load of *items* together."""
    return together([item.load for item in items])


def divided(total: int, weights: Sequence[int]) -> list[int]:
    """*total* in whole parts in proportion to *weights*, which add up to it."""
    whole = sum(weights)
    if not whole:
        return [total, *[0] * (len(weights) - 1)] if weights else []
    ends = [total * seen // whole for seen in itertools.accumulate(weights, initial=0)]
    return [end - begin for begin, end in itertools.pairwise(ends)]
