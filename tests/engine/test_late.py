"""What becomes of those whose turn comes too late: they are told so, nothing is paid for them, and others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from batches import (
    ONE_A_SECOND,
    Late,
    all_of,
    ask,
    asking,
    complaint,
    leaving,
    limited,
    limits,
    mark,
    nothing_is_left,
    right,
    sent,
    together,
    vectors,
)
from clock import settle
from world import COMPLETION, EMBEDDING, World, body, like_openai

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import InputType

MakeWorld = Callable[..., World]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world whose endpoint `e` may call once a second."""
    made = make_world(vectors, validate=False)
    made.create("e", EMBEDDING, ONE_A_SECOND)
    return made


def pausing(world: World, seconds: int) -> Callable[[Call], Any]:
    """A provider that answers the first call, after a while, by asking all to wait for so many *seconds*."""
    first = [Late(world.clock, 0.5, Reply(429, b"", {"retry-after": str(seconds)}))]
    return lambda call: first.pop() if first else vectors(call)


def is_ours(error: Any) -> bool:
    """Whether *error* tells of our own queue."""
    return isinstance(error, InferenceError) and (error.kind, error.whose_limit) == (Kind.RATE_LIMITED, "ours")


def test_who_is_late_at_the_turn_is_not_paid_for(world: World) -> None:
    """Only what somebody still waits for is sent: an input that two asked for is, when one of them has the time."""
    world.provider.answer = pausing(world, 120)

    async def both() -> list[Any]:
        before = asking(world, "before", input_type=InputType.INGEST)  # bears to be told to wait
        await settle()
        hurried, patient = asking(world, "own", "shared", timeout=60), asking(world, "shared", "other")
        await settle()
        return await world.clock.drive(all_of(hurried, patient, before))

    hurried, patient, _ = asyncio.run(both())
    assert is_ours(hurried)
    right(patient, "shared", "other")
    assert sent(world) == [["before"], ["shared", "other"], ["before"]]
    nothing_is_left(world)


def test_when_all_are_late_nothing_is_sent(world: World) -> None:
    """Also when somebody who had more time has left before."""
    world.provider.answer = pausing(world, 120)

    async def one_is_left() -> list[Any]:
        before = asking(world, "before", input_type=InputType.INGEST)  # bears to be told to wait
        await settle()
        hurried, patient = asking(world, "a", timeout=60), asking(world, "b")
        await settle()
        await leaving(world, patient)
        return await world.clock.drive(all_of(hurried, before))

    hurried, _ = asyncio.run(one_is_left())
    assert is_ours(hurried)
    assert sent(world) == [["before"], ["before"]]
    nothing_is_left(world)


def test_a_partial_request_keeps_what_it_has_when_its_turn_does_not_come(make_world: MakeWorld) -> None:
    """What a cache knew is there; each of the others is told of the queue."""
    world = make_world(vectors, validate=False)
    group = world.create("e", EMBEDDING, {**limited(requests_per_minute=6000), "cache": {}}).group
    together(world, ask(world, "known"))

    async def paused() -> Any:
        asked = asking(world, "known", "new", timeout=0.15, partial=True)
        await settle()
        world.limiter.pause(group, 60, "")
        return await asked

    found = asyncio.run(paused())
    assert list(found.errors) == [1]
    assert is_ours(found.errors[1])
    assert bytes(found.vectors[0]) == b"[%d]" % mark("known")
    assert sent(world) == [["known"]]
    nothing_is_left(world)


@pytest.mark.parametrize("kind", [EMBEDDING, COMPLETION])
def test_what_could_be_begun_in_time_but_not_answered_is_refused(make_world: MakeWorld, kind: TaskType) -> None:
    """At once: how long a call takes is learnt from those before, and kept free before the deadline."""

    def answer(call: Call) -> Reply:
        return vectors(call) if kind is EMBEDDING else like_openai(call)

    world = make_world(lambda call: Late(world.clock, 2, answer(call)), validate=False)
    world.create("e", kind, limited(requests_per_minute=6))
    for number in range(10):
        together(world, ask(world, f"{number}"))
    world.provider.calls.clear()

    async def behind_another() -> list[Any]:
        await world.clock.advance(10)
        before = asking(world, "before", input_type=InputType.INGEST)  # bears to be told to wait
        await settle()
        after = asking(world, "after", timeout=10.5)
        await settle()
        assert after.done()
        return await world.clock.drive(all_of(after, before))

    after, _ = asyncio.run(behind_another())
    assert is_ours(after)
    assert len(world.provider.calls) == 1


def test_calls_that_have_their_turn_in_time_are_made(make_world: MakeWorld) -> None:
    """When calls have to be smaller, and the last of them would be too late, the others go, and those are not tried."""
    refusal = complaint("batch size 20 > maximum allowed batch size 10")
    world = make_world(lambda call: vectors(call) if len(body(call)["input"]) <= 10 else refusal, validate=False)
    world.create("e", EMBEDDING, limited(requests_per_minute=12))
    limits(world, inputs=20)
    (found,) = together(world, ask(world, *map(str, range(60)), timeout=17.5, partial=True))
    assert sorted(found.errors) == list(range(30, 60))
    assert all(map(is_ours, found.errors.values()))
    assert [len(call) for call in sent(world)] == [20, 10, 10, 10]
