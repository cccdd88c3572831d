from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from batches import (
    ONE_A_SECOND,
    Asked,
    Late,
    all_of,
    ask,
    asking,
    complaint,
    counted,
    faulty,
    leaving,
    limited,
    limits,
    nothing_is_left,
    right,
    sent,
    together,
    vectors,
)
from clock import settle
from turns import calls_waiting
from world import EMBEDDING, HANG, Arrived, World, body, told

from inferpoint.batching.batch import Batch
from inferpoint.batching.items import Item, Waiter
from inferpoint.batching.pool import Pool
from inferpoint.errors import Kind
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import INTERNAL, Caller, InferenceRequest, InputType, Tokens
from inferpoint.model.results import Embeddings

MakeWorld = Callable[..., World]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world whose endpoint `e` may call once a second."""
    made = make_world(vectors, validate=False)
    made.create("e", EMBEDDING, ONE_A_SECOND)
    return made


# Merging


def test_who_has_to_wait_shares_a_call(world: World) -> None:
    """Those who ask in the same moment go together at once; each has its own, and its part of the cost."""
    found = together(world, *(ask(world, f"text {number}", "same") for number in range(100)))
    for number, each in enumerate(found):
        right(each, f"text {number}", "same")
    assert [len(call) for call in sent(world)] == [101]
    assert world.clock.passed == 0
    assert sum(each.usage.input for each in found) == sum(map(counted, sent(world)[0]))


def test_usage_adds_up_over_calls(world: World) -> None:
    """Whoever shared what with whom: all that was paid for is told to somebody, once."""
    limits(world, inputs=7)
    requests = [[f"{number * step % 40}" * 9 for number in range(1, 12)] for step in range(1, 12)]
    found = together(world, *(ask(world, *texts) for texts in requests))
    for texts, each in zip(requests, found, strict=True):
        right(each, *texts)
    assert sum(each.usage.input for each in found) == sum(sum(map(counted, call)) for call in sent(world))
    assert len({text for call in sent(world) for text in call}) == sum(map(len, sent(world)))


def test_who_shares_a_call_pays_for_its_own_part(world: World) -> None:
    """What a call cost is told to each in proportion to what it asked, in bytes of text or in tokens."""
    found = together(world, ask(world, "a" * 39), ask(world, "b" * 119))
    assert [each.usage.input for each in found] == [10, 30]
    tokens = [world.inferring("e", InferenceRequest(Tokens(((1,) * count,)))) for count in (3, 30)]
    assert [each.usage.input for each in together(world, *tokens)] == [3, 30]


def test_nobody_waits_in_order_to_share(make_world: MakeWorld) -> None:
    """Where there is room calls go at once: no time passes."""
    world = make_world(vectors, validate=False)
    world.create("e", EMBEDDING, limited())

    async def one_by_one() -> None:
        for number in range(5):
            right(await ask(world, f"{number}"), f"{number}")

    world.run(one_by_one())
    assert (len(world.provider.calls), world.clock.passed) == (5, 0)


def test_no_more_wait_than_calls_are_needed(world: World) -> None:
    """A full queue of small requests is one call after the other, each as full as may be."""
    limits(world, inputs=50)
    found = together(world, *(ask(world, f"{number}") for number in range(1000)))
    assert all(isinstance(each, Embeddings) for each in found)
    assert [len(call) for call in sent(world)] == [50] * 20
    assert world.clock.passed == pytest.approx(19)


def test_what_differs_never_shares_a_call(world: World) -> None:
    """Endpoints, options, parameters, purposes, callers, texts and tokens: each group has a call of its own."""
    world.create("f", EMBEDDING, ONE_A_SECOND)
    kinds: dict[str, Callable[[str], Asked]] = {
        "plain": lambda text: ask(world, text),
        "endpoint": lambda text: ask(world, text, endpoint="f"),
        "options": lambda text: ask(world, text, options={"user": "u"}),
        "others": lambda text: ask(world, text, options={"user": "v"}),
        "params": lambda text: ask(world, text, params={"user": "u"}),
        "search": lambda text: ask(world, text, input_type=InputType.SEARCH),
        "ingest": lambda text: ask(world, text, input_type=InputType.INGEST),
        "caller": lambda text: ask(world, text, caller=Caller("eve")),
    }
    asked = [(f"{kind} {number}", make) for number in range(5) for kind, make in kinds.items()]
    tokens = [world.inferring("e", InferenceRequest(Tokens(((number,),)), timeout=10**6)) for number in range(5)]
    found = together(world, *(make(text) for text, make in asked), *tokens)
    for (text, _), each in zip(asked, found, strict=False):
        right(each, text)
    calls = sent(world)
    assert len(calls) == len(kinds) + 1
    assert sorted(len({str(text).split(" ")[0] for text in call}) for call in calls if isinstance(call[0], str)) == [
        1
    ] * len(kinds)
    assert sorted(body(call).get("user", "") for call in world.provider.calls) == [""] * 7 + ["u", "v"]


def test_an_update_is_not_shared_with_those_who_came_before(world: World) -> None:
    """Who waits since before has the old version's answer, by the old version's key."""

    async def both() -> list[Any]:
        before = asyncio.ensure_future(ask(world, "a"))
        await settle()
        waiting = asyncio.ensure_future(ask(world, "old"))
        await settle()
        assert await calls_waiting(world.limiter) == 1
        await world.engine.lifecycle.update(INTERNAL, "e", {"service_settings": {"api_key": "new"}}, kind=None)
        return await asyncio.gather(before, waiting, ask(world, "new"))

    for each, text in zip(world.run(both()), ("a", "old", "new"), strict=True):
        right(each, text)
    assert sorted(map(tuple, sent(world))) == [("a",), ("new",), ("old",)]
    keys = {text: call.headers["authorization"] for call in world.provider.calls for text in body(call)["input"]}
    assert keys["old"] == keys["a"] != keys["new"] == "Bearer new"


# Who leaves, and when


def test_who_leaves_does_not_take_others_along(world: World) -> None:
    """Neither while all wait nor while their call is on its way; what only they wanted is not sent."""
    world.provider.answer = lambda call: Late(world.clock, 5, vectors(call))

    async def some_leave() -> list[Any]:
        first = asking(world, "first")
        await settle()
        waiting = [asking(world, f"{number}", "shared") for number in range(6)]
        await settle()
        await leaving(world, *waiting[:2])
        await world.clock.advance(1.5)
        await leaving(world, waiting[2])
        return await world.clock.drive(all_of(first, *waiting[3:]))

    for each, texts in zip(
        asyncio.run(some_leave()), (["first"], *([f"{n}", "shared"] for n in (3, 4, 5))), strict=True
    ):
        right(each, *texts)
    assert [set(call) for call in sent(world)] == [{"first"}, {"shared", "2", "3", "4", "5"}]
    nothing_is_left(world)


@pytest.mark.parametrize("refusal", [complaint("an input is not valid"), Reply(413, b"")])
def test_who_leaves_takes_the_blame_along(world: World, refusal: Reply) -> None:
    """A call that was refused for a text of somebody who left is made again without it."""
    world.provider.answer = lambda call: Late(
        world.clock, 5, refusal if "bad" in body(call)["input"] else vectors(call)
    )

    async def one_leaves() -> list[Any]:
        bad, good = asking(world, "bad"), asking(world, "good")
        await settle()
        await world.clock.advance(1)
        await leaving(world, bad)
        return await world.clock.drive(all_of(good))

    right(asyncio.run(one_leaves())[0], "good")
    assert sent(world) == [["bad", "good"], ["good"]]
    nothing_is_left(world)


@pytest.mark.parametrize("when", [0.0, 0.5, "just before", "just after", 1.5])
def test_the_last_who_leaves_ends_the_call(world: World, when: Any) -> None:
    """In the queue, in the instant of its turn or on its way; the place is given back and nothing stays."""
    open_ones: list[Arrived] = []

    def never(_call: Call) -> Arrived:
        open_ones.append(Arrived(200, [b"{", HANG]))
        return open_ones[-1]

    async def all_leave() -> None:
        await ask(world, "before")
        world.provider.answer = never
        turn, waiting = world.clock.monotonic() + 1, list[asyncio.Task[Any]]()

        def leave() -> None:
            for task in waiting:
                task.cancel()

        if when == "just before":  # alarms of one moment go off in the order in which they were set
            world.clock.at(turn, leave)
        waiting += [asking(world, f"{number}", "shared") for number in range(3)]
        await settle()
        if when == "just after":
            world.clock.at(turn, leave)
        await world.clock.advance(1.0 if isinstance(when, str) else when)
        await leaving(world, *waiting)
        await settle()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(all_leave())
    nothing_is_left(world)
    assert all(each.closed for each in open_ones)
    assert len(world.provider.calls) == (2 if when in ("just after", 1.5) else 1)


def test_a_place_that_is_given_back_is_used(world: World) -> None:
    """Who asks after everyone left waits no longer than if they had never come."""

    async def after_them() -> None:
        await ask(world, "before")
        waiting = [asking(world, f"{number}") for number in range(3)]
        await settle()
        await leaving(world, *waiting)
        right(await world.clock.drive(ask(world, "after")), "after")

    asyncio.run(after_them())
    assert world.clock.passed == pytest.approx(1)
    assert sent(world) == [["before"], ["after"]]


@pytest.mark.parametrize("first", [True, False])
def test_who_comes_in_the_instant_of_the_turn_is_served(world: World, *, first: bool) -> None:
    """On that call or on the next: none is lost, none is asked for twice."""
    found: list[asyncio.Task[Any]] = []

    async def in_that_instant() -> list[Any]:
        await ask(world, "before")
        turn = world.clock.monotonic() + 1
        if first:
            world.clock.at(turn, lambda: found.append(asking(world, "b", "a")))
        found.append(asking(world, "a"))
        await settle()
        if not first:
            world.clock.at(turn, lambda: found.append(asking(world, "b", "a")))
        await world.clock.advance(1)
        return await world.clock.drive(all_of(*found))

    a, b = asyncio.run(in_that_instant())
    right(a, "a")
    right(b, "b", "a")
    assert sent(world) == ([["before"], ["a", "b"]] if first else [["before"], ["a"], ["b"]])
    nothing_is_left(world)


def test_whose_time_is_up_is_told_alone(world: World) -> None:
    """Those on the same call who wait longer are answered."""

    async def both() -> list[Any]:
        free = asyncio.get_running_loop().create_future()

        class Held(Arrived):
            async def pieces(self) -> AsyncIterator[bytes]:
                await free
                async for piece in super().pieces():
                    yield piece

        world.provider.answer = lambda call: Held(200, [vectors(call).body])
        short, long = asking(world, "a", "b", timeout=0.05), asking(world, "b", "c", timeout=10**6)
        partial = asking(world, "c", "d", timeout=0.05, partial=True)
        found = await asyncio.gather(short, partial, return_exceptions=True)
        free.set_result(None)
        return [*found, await long]

    short, partial, long = world.run(both())
    assert short.kind is Kind.TIMED_OUT
    assert [partial.errors[place].kind for place in (0, 1)] == [Kind.TIMED_OUT] * 2
    right(long, "b", "c")
    assert len(world.provider.calls) == 1
    nothing_is_left(world)


@pytest.mark.parametrize("timeout", [0, -1, -(10.0**300)])
def test_who_has_no_time_is_not_asked_for(world: World, timeout: float) -> None:
    """Too late is too late: at once, and the provider sees nothing."""
    for error in together(world, ask(world, "a", timeout=timeout), ask(world, *map(str, range(9999)), timeout=timeout)):
        assert error.kind is Kind.TIMED_OUT
    assert world.provider.calls == []


@pytest.mark.parametrize("timeout", [10.0**9, 10.0**300, float("inf")])
def test_who_has_all_the_time_waits(world: World, timeout: float) -> None:
    """However long."""
    for found in together(world, *(ask(world, f"{number}", timeout=timeout) for number in range(3))):
        assert isinstance(found, Embeddings)


def test_what_cannot_be_in_time_is_refused_at_once(world: World) -> None:
    """Before any of its calls is made; what is shorter still goes, and what others wait for does not count twice."""
    limits(world, inputs=10)

    async def asked() -> list[Any]:
        patient = asking(world, *map(str, range(100)))
        await settle()
        asked = (
            ask(world, *(f"x{number}" for number in range(310)), timeout=30),
            ask(world, "y", timeout=5),
            ask(world, "99", "y", timeout=30),
        )
        return await world.clock.drive(all_of(*asked, patient))

    many, soon, later, patient = asyncio.run(asked())
    for error in (many, soon):
        assert (error.kind, error.whose_limit) == (Kind.RATE_LIMITED, "ours")
        assert error.retry_after > 0
    right(later, "99", "y")
    right(patient, *map(str, range(100)))
    assert not any(text.startswith("x") for call in sent(world) for text in call)
    nothing_is_left(world)


# The same text more than once


def test_the_same_text_is_asked_for_once(world: World) -> None:
    """Many callers' at the same time, one list's too; each place has its vector."""
    world.provider.answer = lambda call: Late(world.clock, 3, vectors(call))

    async def ten() -> list[Any]:
        first = [asking(world, "a", "b", "a") for _ in range(5)]
        await settle()
        await world.clock.advance(1)  # while the call is on its way
        return await world.clock.drive(all_of(*first, *(asking(world, "b", "a") for _ in range(5))))

    found = asyncio.run(ten())
    for each in found[:5]:
        right(each, "a", "b", "a")
    for each in found[5:]:
        right(each, "b", "a")
    assert sent(world) == [["a", "b"]]
    assert sum(each.usage.input for each in found) == 2


def test_what_failed_is_asked_for_again(world: World) -> None:
    """An error is of those who waited for it, not of those who come later."""
    world.provider.answer = faulty("a")
    found = together(world, *(ask(world, "a") for _ in range(10)))
    assert {told(each)[0] for each in found} == {400}
    assert len(world.provider.calls) == 1
    world.provider.answer = vectors
    right(together(world, ask(world, "a"))[0], "a")


@pytest.mark.parametrize("order", ["joins-leaves", "leaves-joins"])
def test_who_joins_as_another_leaves_is_answered(world: World, order: str) -> None:
    """Whether the call goes on for them or is made anew."""
    world.provider.answer = lambda call: Late(world.clock, 3, vectors(call))

    async def both() -> Any:
        first = asking(world, "a")
        await settle()
        await world.clock.advance(1)
        if order == "joins-leaves":
            second = asking(world, "a")
            await asyncio.sleep(0)
            first.cancel()
        else:
            first.cancel()
            second = asking(world, "a")
        return (await world.clock.drive(all_of(first, second)))[1]

    right(asyncio.run(both()), "a")
    nothing_is_left(world)
    assert len(world.provider.calls) <= 2


# What is left


@pytest.mark.parametrize("texts", [1, 64])
def test_what_a_request_held_is_free_when_it_ends(make_world: MakeWorld, texts: int) -> None:
    """No pool, input, call or waiter is in a cycle once its request was answered."""
    world = make_world(vectors, validate=False)
    world.create("e", EMBEDDING, limited())

    async def many(first: int) -> None:
        for number in range(first, first + 80):
            await ask(world, *(f"{number} {place}" for place in range(texts)))

    world.run(many(0))
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        world.run(many(80))
        gc.collect()
        assert [held for held in gc.garbage if isinstance(held, Batch | Item | Pool | Waiter)] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


# What nobody expected


@pytest.mark.parametrize("where", ["encode", "decode"])
def test_an_exception_of_a_service_reaches_everyone_as_it_is(world: World, where: str) -> None:
    """Those who waited for that call; the next is as if nothing had been."""
    resolved = world.endpoints.find("e")

    def broken(*_: Any) -> Any:
        raise KeyError("third party")

    world.endpoints._resolved["e"] = replace(resolved, task=replace(resolved.task, **{where: broken}))
    asked = [ask(world, f"{number}", *more) for number in range(3) for more in ([], ["same"])]
    for found in together(world, *asked, ask(world, "z", partial=True)):
        assert isinstance(found, KeyError)
    world.endpoints._resolved["e"] = resolved
    right(together(world, ask(world, "0", "same"))[0], "0", "same")


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"data": []}', b'{"data": [{"embedding": "x"}]}'])
def test_answers_that_cannot_be_read_are_hardly_looked_into(world: World, answer: bytes) -> None:
    """One call for a request alone; where others are wanted a few parts tell that it is no input's fault."""
    world.provider.answer = lambda _: Reply(200, answer)
    (alone,) = together(world, ask(world, *map(str, range(64))))
    assert (alone.kind, alone.index, len(world.provider.calls)) == (Kind.UNREADABLE, None, 1)
    found = together(world, ask(world, *map(str, range(64))), ask(world, "c", partial=True))
    assert found[0].kind is Kind.UNREADABLE
    assert found[1].errors[0].kind is Kind.UNREADABLE
    assert len(world.provider.calls) <= 1 + 5
