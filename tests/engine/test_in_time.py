"""What a request leaves behind, and how it ends at its deadline."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import pytest
from world import CHAT, COMPLETION, EMBEDDING, HANG, Arrived, World, in_turn, openai

from inferpoint.calls.deadlines import timed
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.chat import said
from inferpoint.model.endpoint import TaskType
from inferpoint.model.requests import InferenceRequest, Input, InputType

_REQUESTS = 160
_FAST = openai({"rate_limit": {"requests_per_minute": 1_000_000_000}})


@pytest.mark.parametrize(("kind", "asked"), [(COMPLETION, ("hi",)), (CHAT, said("hi"))])
def test_a_request_leaves_nothing_in_cycles(make_world: Callable[..., World], kind: TaskType, asked: Input) -> None:
    """What one request needs is freed as it ends, and the collector, which stops everybody, has nothing to do."""
    world = make_world(validate=False)
    world.create("e", kind, _FAST)

    async def left_behind() -> list[str]:
        await world.inferring("e", InferenceRequest(asked))  # what is made once is made
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(_REQUESTS):
                await world.inferring("e", InferenceRequest(asked))
            gc.collect()
            return [type(left).__name__ for left in gc.garbage]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()

    assert world.run(left_behind()) == []


def test_a_deadline_ends_a_request_and_not_the_task_that_walks(make_world: Callable[..., World]) -> None:
    """The caller's task goes on, and is not taken for one that was cancelled."""
    world = make_world(in_turn(Arrived(200, [HANG])), validate=False)
    world.create("e", COMPLETION, _FAST)

    async def asked() -> tuple[Kind, int]:
        with pytest.raises(InferenceError) as caught:
            await world.inferring("e", InferenceRequest(("hi",), timeout=0.01))
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return caught.value.kind, task.cancelling()

    assert asyncio.run(asked()) == (Kind.TIMED_OUT, 0)


def test_a_caller_that_leaves_is_not_told_of_a_deadline(make_world: Callable[..., World]) -> None:
    """Cancelling stays cancelling."""
    world = make_world(in_turn(Arrived(200, [HANG])), validate=False)
    world.create("e", COMPLETION, _FAST)

    async def left() -> None:
        walk = asyncio.create_task(world.inferring("e", InferenceRequest(("hi",))))
        await asyncio.sleep(0)
        walk.cancel()
        with pytest.raises(asyncio.CancelledError):
            await walk

    asyncio.run(left())


def test_nobody_waits_longer_than_is_allowed(make_world: Callable[..., World]) -> None:
    """A request that asks for an hour ends when the longest that is allowed is over, and is told which that was."""
    world = make_world(in_turn(Arrived(200, [HANG])), validate=False, longest_timeout=0.2)
    world.create("e", COMPLETION, _FAST)
    with pytest.raises(InferenceError, match=r"\[(200ms|0\.2s)\]"):
        asyncio.run(world.inferring("e", InferenceRequest(("hi",), timeout=3600)))


@pytest.mark.parametrize(
    ("purpose", "asked", "seconds"),
    [
        (None, 3600, 60),
        (None, 59, 59),
        (None, None, 30),
        (InputType.SEARCH, 3600, 60),
        (InputType.INGEST, 3600, 3600),  # nobody waits for it, and whoever sent it loses it when it ends too soon
    ],
)
def test_only_what_is_ingested_takes_its_time(
    make_world: Callable[..., World], purpose: InputType | None, asked: float | None, seconds: float
) -> None:
    """All else has what it asks for, up to the longest that is allowed."""
    world = make_world(validate=False)
    resolved = world.create("e", EMBEDDING, _FAST)
    request = timed(resolved, InferenceRequest(("a",), purpose, timeout=asked), world.clock, 60)
    assert (request.deadline.timeout, request.deadline.left(world.clock.monotonic())) == (seconds, seconds)
