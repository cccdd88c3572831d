"""Any number of items becomes embeddings: in order, bounded, each with its own error; awaited and waited for."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from bulk_places import Scripted, outage

from inferpoint import InferenceError, Inferpoint, connect
from inferpoint.errors import Kind, invalid
from inferpoint.library import Embedded
from inferpoint.library.many import WINDOW, WINDOWS


async def collected(items: Any, **options: Any) -> list[Embedded]:
    async with Inferpoint() as ip:
        return [result async for result in ip.embed_many("e", items, **options)]


def embedded(way: str, items: Any, **options: Any) -> list[Embedded]:
    """What becomes of *items*, one *way* or the other."""
    if way == "waiting":
        with connect() as ip:
            return list(ip.embed_many("e", items, **options))
    return asyncio.run(collected(items, **options))


async def awaited(items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item


WAYS = pytest.mark.parametrize("way", ["waiting", "awaiting"])


@WAYS
@pytest.mark.parametrize("kind", ["list", "generator", "asynchronous"])
def test_items_keep_their_order(way: str, kind: str, endpoint: Scripted) -> None:
    """Each of thousands of items of any iterable has its own result, in its place."""
    texts = ["x" * (number % 7 + 1) for number in range(3 * WINDOW * WINDOWS + 5)]
    items = {"list": texts, "generator": iter(texts), "asynchronous": awaited(texts)}[kind]
    results = embedded(way, items)
    assert [result.numbers() for result in results] == [[len(text)] for text in texts]
    assert [result.id for result in results] == list(range(len(texts)))
    assert [result.item for result in results] == texts


@WAYS
def test_an_item_has_an_id_of_its_own(way: str, endpoint: Scripted) -> None:
    """Pairs and mappings have ids and texts, by the names of members; what has no text has an error of its own."""
    items = [
        ("a", "one"),
        {"key": "b", "body": "three"},
        {"body": "xx"},
        {"key": "d"},
        ["e", "four"],
        7,
        " ",
        ("f", None),
    ]
    results = embedded(way, items, text="body", id="key")
    assert [result.id for result in results] == ["a", "b", 2, "d", "e", 5, 6, 7]
    assert [result.vector and result.numbers()[0] for result in results] == [3, 5, 2, None, 4, None, None, None]
    assert {str(result.error) for result in results if result.error} == {"There is no text"}
    assert [result.item for result in results] == items


@WAYS
def test_one_item_may_fail(way: str, endpoint: Scripted) -> None:
    """The error of an item is its own, in the provider's words, and raised by who asks for its numbers."""
    endpoint.faults = {"bad": invalid("not this"), "long": InferenceError(Kind.CONTEXT_OVERFLOW, "too long")}
    good, bad, long = embedded(way, ["good", "bad", "long"])
    assert good.numbers() == [4]
    assert good.error is None
    assert [(one.error.kind, str(one.error)) for one in (bad, long) if one.error] == [
        (Kind.INVALID, "not this"),
        (Kind.CONTEXT_OVERFLOW, "too long"),
    ]
    with pytest.raises(InferenceError, match="not this"):
        bad.numbers()


@WAYS
def test_what_concerns_all_ends_it(way: str, endpoint: Scripted) -> None:
    """A key that is refused is an error of the iteration, and so is an endpoint that does not embed."""
    endpoint.outages = [InferenceError(Kind.UNAUTHENTICATED, "who are you")]
    with pytest.raises(InferenceError, match="who are you"):
        embedded(way, ["a"])
    endpoint.task_type = "completion"
    with pytest.raises(InferenceError, match=r"\[e\] is for \[completion\] and embeds nothing"):
        embedded(way, ["a"])
    with pytest.raises(TypeError, match=r"embed_many.* unexpected keyword argument 'chunk'$"):
        embedded(way, ["a"], chunk=True)


@WAYS
def test_what_is_refused_for_now_is_asked_again(way: str, endpoint: Scripted) -> None:
    """A limit that is reached fails no item; the program is told that the work stands still, and that it goes on."""
    endpoint.outages = [outage(retry_after=0.01)]
    told: list[InferenceError | None] = []
    assert [result.numbers() for result in embedded(way, ["a", "bb"], waiting=told.append)] == [[1], [2]]
    assert [None if error is None else error.kind for error in told] == [Kind.RATE_LIMITED, None]


@WAYS
def test_an_endless_iterable_is_read_as_it_is_used(way: str, endpoint: Scripted) -> None:
    """No more is read ahead than is asked for at once, and leaving the iteration early leaves nothing running."""
    read = itertools.count()
    items = (str(next(read)) for _ in itertools.repeat(None))
    ahead = (WINDOWS + 2) * WINDOW
    if way == "waiting":
        with connect() as ip:
            results = ip.embed_many("e", items)
            assert [result.id for result in itertools.islice(results, 3000)] == list(range(3000))
            results.close()
            assert next(read) <= 3000 + ahead
        return

    async def work() -> None:
        async with Inferpoint() as ip:
            before = asyncio.all_tasks()
            results = ip.embed_many("e", items)
            assert [(await anext(results)).id for _ in range(3000)] == list(range(3000))
            await results.aclose()
            assert next(read) <= 3000 + ahead
            assert asyncio.all_tasks() <= before

    asyncio.run(work())


def test_a_slow_stream_is_not_held_back(endpoint: Scripted) -> None:
    """Each item that comes alone has its result before the next one comes."""

    async def work() -> None:
        turn = asyncio.Event()

        async def slow() -> AsyncIterator[str]:
            for number in range(3):
                yield str(number)
                await turn.wait()
                turn.clear()

        async with Inferpoint() as ip:
            ids: list[int] = []
            async for result in ip.embed_many("e", slow()):
                ids.append(result.id)
                turn.set()
            assert ids == [0, 1, 2]

    asyncio.run(asyncio.wait_for(work(), 60))


def test_items_are_read_in_the_thread_that_wants_them(endpoint: Scripted) -> None:
    """Rows of a database's cursor, which belong to one thread, may be items."""

    def items() -> Iterator[str]:
        for number in range(WINDOW + 1):
            assert threading.current_thread() is threading.main_thread()
            yield str(number)

    with connect() as ip:
        assert len(list(ip.embed_many("e", items()))) == WINDOW + 1


@WAYS
def test_an_iterable_that_breaks_is_told(way: str, endpoint: Scripted) -> None:
    """What an iterable raises is raised to whoever iterates."""

    def breaking() -> Iterator[str]:
        yield "a"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        embedded(way, breaking())
    with pytest.raises(TypeError, match="not iterable"):
        embedded(way, 5)
