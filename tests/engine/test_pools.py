from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import pytest
from clock import on_a_loop
from hypothesis import given
from hypothesis import strategies as st
from world import EMBEDDING, World, openai

from inferpoint.batching.items import Item, Waiter
from inferpoint.batching.pool import Pool, divided, loaded, rows
from inferpoint.calls.sizing import Load, Sizing, load_of
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.deadline import NEVER, Deadline
from inferpoint.model.quota import Rate
from inferpoint.model.requests import InferenceRequest, InputType, Tokens
from inferpoint.model.results import Embeddings, SparseEmbeddings, Usage
from inferpoint.protocols.service import Limits

REFUSED = InferenceError(Kind.INVALID, "no")


@pytest.fixture
def pool(world: World) -> Pool:
    """A pool whose calls hold three inputs and a hundred bytes."""
    return of(world, InferenceRequest(("x",), InputType.INGEST, timeout=5))


def of(world: World, request: InferenceRequest) -> Pool:
    if not world.endpoints.exists("e"):
        world.create("e", EMBEDDING, openai())
    return Pool("key", world.endpoints.find("e"), request, Sizing(Limits(inputs=3, bytes=100), Rate()))


def put(pool: Pool, *given: Any) -> list[Item]:
    pool.put(dict(zip(given, map(load_of, given), strict=True)))
    return [pool.items[each] for each in given]


def taken(pool: Pool) -> list[Any]:
    items, load = pool.take()
    assert load.inputs == len(items)
    return [item.input for item in items]


def tally(pool: Pool) -> tuple[int, int, int]:
    return pool.load.inputs, pool.load.bytes, pool.load.tokens


# Dividing


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=50))
def test_what_is_divided_adds_up(total: int, weights: list[int]) -> None:
    """In whole parts, none negative, each within one of its share."""
    parts = divided(total, weights)
    assert (sum(parts), len(parts)) == (total, len(weights))
    assert min(parts) >= 0
    if whole := sum(weights):
        assert all(abs(part - total * weight / whole) <= 1 for part, weight in zip(parts, weights, strict=True))


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [(0, [1, 1], [0, 0]), (5, [], []), (5, [0, 0], [5, 0]), (10, [1, 1, 2], [2, 3, 5]), (1, [1, 1, 1], [0, 0, 1])],
)
def test_parts(total: int, weights: Sequence[int], parts: Sequence[int]) -> None:
    """None for nobody; all for the first where nothing weighs anything."""
    assert divided(total, weights) == parts


# Results


def test_every_row_has_its_input() -> None:
    """Dense or sparse, with whether its input was cut; another number of rows is not believed."""
    assert rows(Embeddings(["a", "b"], cut=frozenset({1})), 2) == (["a", "b"], {1}, {})
    assert rows(SparseEmbeddings([({"a": 1.0}, True)]), 1) == ([{"a": 1.0}], {0}, {})
    for count in (0, 1, 3):
        with pytest.raises(InferenceError, match=rf"answered \[2\] embeddings for \[{count}\]"):
            rows(Embeddings(["a", "b"]), count)


# Pools


def test_a_call_takes_what_waits_longest(pool: Pool) -> None:
    """In order, as many as fit, and those that it takes wait no more."""
    put(pool, "a", "b", "c", "d" * 90, "e" * 90)
    assert taken(pool) == ["a", "b", "c"]
    assert tally(pool) == (2, 180, 0)
    assert taken(pool) == ["d" * 90]
    assert taken(pool) == ["e" * 90]
    assert (taken(pool), tally(pool)) == ([], (0, 0, 0))
    assert len(pool.items) == 5


@pytest.mark.parametrize("size", [95, 96, 10**6])
def test_one_input_always_travels(pool: Pool, size: int) -> None:
    """However long it is: that is for the provider to say. Nothing overtakes it, nothing goes along."""
    put(pool, "x" * size, "y", "z")
    assert taken(pool) == ["x" * size]
    assert taken(pool) == ["y", "z"]


def test_what_is_put_back_waits_before_all_others(pool: Pool) -> None:
    """In its own order, without what nobody asks for any more."""
    items = put(pool, "a", "b", "c", "d")
    for item in items:
        item.waiters[object()] = (0,)  # type: ignore[index]
    pool.take()
    items[1].waiters.clear()
    items[0].batch = object()  # type: ignore[assignment]
    pool.put_back(items[:3])
    assert items[0].batch is None
    assert tally(pool) == (3, 3, 0)
    assert taken(pool) == ["a", "c", "d"]


def test_what_is_forgotten_neither_waits_nor_is_known(pool: Pool) -> None:
    """Whether it waits or is on its way; twice is as good as once; another of the same text stays."""
    first, second = put(pool, "a", "b")
    pool.forget([first])
    pool.forget([first])
    assert (list(pool.items), taken(pool), tally(pool)) == (["b"], ["b"], (0, 0, 0))
    pool.forget([second])
    (again,) = put(pool, "b")
    pool.forget([second])
    assert pool.items == {"b": again}
    assert tally(pool) == (1, 1, 0)


@given(
    st.lists(st.tuples(st.sampled_from(["put", "take", "back", "forget"]), st.integers(0, 60)), min_size=1, max_size=60)
)
def test_the_load_is_always_that_of_what_waits(events: list[tuple[str, int]]) -> None:
    """After whatever happens; and no input waits twice or is in two calls."""
    pool = Pool("key", None, InferenceRequest(("x",)), Sizing(Limits(inputs=3, bytes=100), Rate()))  # type: ignore[arg-type]
    away: list[list[Item]] = []
    for what, size in events:
        if what == "put" and "x" * size not in pool.items:
            pool.put({"x" * size: load_of("x" * size)})
            pool.items["x" * size].waiters[object()] = (0,)  # type: ignore[index]
        elif what == "take":
            away.append(pool.take()[0])
        elif what == "back" and away:
            pool.put_back([item for item in away.pop() if pool.items.get(item.input) is item])
        elif what == "forget" and pool.items:
            pool.forget([list(pool.items.values())[size % len(pool.items)]])
        there = loaded(pool.waiting)
        assert tally(pool) == (there.inputs, there.bytes, there.tokens)
        everyone = [*pool.waiting, *itertools.chain.from_iterable(away)]
        assert len(everyone) == len(set(map(id, everyone)))


def test_a_pool_waits_as_long_as_the_most_patient(pool: Pool) -> None:
    """Its calls are for all of them; without a deadline there is none."""
    for deadline, then in ((5.0, 5.0), (3.0, 5.0), (9.0, 9.0), (math.inf, math.inf), (7.0, math.inf)):
        pool.prolong(Deadline(deadline))
        assert pool.deadline.at == then
        assert pool.request(()).deadline.at == then


def test_a_call_asks_what_the_requests_ask(world: World) -> None:
    """The same in every way but its inputs, and counted by itself."""
    request = InferenceRequest(("x",), InputType.INGEST, {"user": "u"}, {"p": 1})
    pool = of(world, request)
    asked = pool.request(put(pool, "a", "b"))
    assert (asked.input, asked.input_type, asked.options, asked.params) == (
        ("a", "b"),
        InputType.INGEST,
        {"user": "u"},
        {"p": 1},
    )
    assert asked.stats is not request.stats
    tokens = of(world, InferenceRequest(Tokens(((1,),))))
    assert tokens.request(put(tokens, (1, 2), (3,))).input == Tokens(((1, 2), (3,)))


# Those who ask


def asking(*texts: str, partial: bool = False) -> tuple[Waiter, list[Item]]:
    waiter = Waiter(InferenceRequest(texts, partial=partial), 0.0, NEVER)
    items = [Item(text, text, Load(1, len(text))) for text in dict.fromkeys(texts)]
    waiter.ask({item: [place for place, text in enumerate(texts) if text == item.input] for item in items})
    return waiter, items


@on_a_loop
async def test_who_asks_is_done_when_nothing_is_missing() -> None:
    """In whatever order it comes; what was asked for twice is there twice, and paid for once."""
    waiter, (a, b) = asking("a", "b", "a")
    b.give("B", cut=True, tokens=3)
    assert not waiter.done.done()
    a.give("A", cut=False, tokens=4)
    assert waiter.done.done()
    assert waiter.result(sparse=False) == Embeddings(["A", "B", "A"], Usage(7), frozenset({1}))
    weights = waiter.result(sparse=True)
    assert weights == SparseEmbeddings([("A", False), ("B", True), ("A", False)], Usage(7))  # type: ignore[list-item]


@on_a_loop
async def test_what_two_ask_for_is_paid_for_once() -> None:
    """By the first; where nobody counted, nobody is told a number."""
    first, (item,) = asking("a")
    second, (_, other) = asking("a", "b")
    second.ask({item: [0], other: [1]})
    item.give("A", cut=False, tokens=5)
    other.give("B", cut=False, tokens=None)
    assert first.result(sparse=False).usage == Usage(5)
    assert second.result(sparse=False).usage is None
    assert item.waiters == {}


@on_a_loop
async def test_an_error_ends_a_request() -> None:
    """The first of them; what comes afterwards changes nothing. An input at fault is named if there are others."""
    waiter, (a, b, c) = asking("a", "b", "c")
    b.refuse(REFUSED, alone=True)
    c.refuse(InferenceError(Kind.INVALID, "later"), alone=True)
    a.give("A", cut=False, tokens=1)
    with pytest.raises(InferenceError, match="no") as caught:
        await waiter.done
    assert caught.value.index == 1
    for texts, alone in ((("a",), True), (("a", "b"), False)):
        single, items = asking(*texts)
        items[0].refuse(REFUSED, alone=alone)
        with pytest.raises(InferenceError) as caught:
            await single.done
        assert caught.value.index is None


@on_a_loop
async def test_in_a_partial_request_each_input_has_its_own_error() -> None:
    """At all of its places; one that is not the provider's or ours to tell ends it all the same."""
    waiter, (a, b, c) = asking("a", "b", "a", "c", partial=True)
    a.refuse(REFUSED, alone=True)
    b.give("B", cut=False, tokens=1)
    assert not waiter.done.done()
    late = InferenceError(Kind.TIMED_OUT, "late")
    waiter.end(late)
    found = waiter.result(sparse=False)
    assert list(found.errors) == [0, 2, 3]
    assert found.errors[0].problems == ("no",)
    assert found.errors[3] is late
    c.refuse(KeyError("odd"), alone=True)
    with pytest.raises(KeyError):
        await waiter.done
