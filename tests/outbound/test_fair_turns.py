"""Whose turn is next, where callers and lanes come, rest and come back."""

from __future__ import annotations

from itertools import repeat

import pytest
from clock import on_a_loop, settle
from turns import Queue, place

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.quota import Lane, Rate
from inferpoint.model.requests import Caller

OLD, NEW = Caller("old"), Caller("new")
BY_TOKENS = Rate(tokens=600)  # ten a second
SEARCH, OTHER, INGEST = Lane.SEARCH, Lane.OTHER, Lane.INGEST


async def join(queue: Queue, *callers: Caller, tokens: int = 0, rate: Rate | None = None) -> None:
    """A call for each of *callers*, in this order."""
    for caller in callers:
        queue.join(place(rate or Rate(60), caller=caller), tokens)
    await settle()


def names(queue: Queue) -> list[str]:
    """Whose calls went, in their order."""
    return [each.place.caller.name for each in queue.went]


@on_a_loop
async def test_a_new_caller_has_saved_up_no_turns() -> None:
    """Who comes when others have had many turns has every second one from then on, and not all of them."""
    queue = Queue()
    await join(queue, *repeat(OLD, 100))
    await queue.clock.advance(50)
    await join(queue, *repeat(NEW, 20))
    queue.went.clear()
    await queue.clock.advance(10)
    assert names(queue).count("new") == pytest.approx(5, abs=1)


@on_a_loop
async def test_a_caller_who_rests_saves_up_no_turns() -> None:
    """Who comes back after others have had many turns has every second one from then on."""
    queue = Queue()
    await join(queue, OLD, *repeat(NEW, 100), OLD)
    await queue.clock.advance(50)
    await join(queue, *repeat(OLD, 20))
    queue.went.clear()
    await queue.clock.advance(10)
    assert names(queue).count("old") == pytest.approx(5, abs=1)


@on_a_loop
async def test_what_a_caller_used_is_not_forgiven_for_a_moments_rest() -> None:
    """After one call of a thousand tokens, a caller who comes again waits until others have had as many."""
    queue = Queue()
    await join(queue, NEW, tokens=10, rate=BY_TOKENS)
    await join(queue, OLD, tokens=1000, rate=BY_TOKENS)
    await join(queue, *repeat(NEW, 50), tokens=100, rate=BY_TOKENS)
    await queue.clock.advance(1)
    assert names(queue) == ["new", "old"]
    await join(queue, OLD, tokens=100, rate=BY_TOKENS)
    await queue.clock.advance(300)
    assert names(queue).index("old", 2) - 2 == pytest.approx(10, abs=1)


@on_a_loop
async def test_callers_of_an_empty_lane_begin_together() -> None:
    """What was used while nobody else waited is held against nobody."""
    queue = Queue()
    await join(queue, OLD, OLD, tokens=1000, rate=BY_TOKENS)
    await queue.clock.advance(150)
    await join(queue, OLD, NEW, OLD, NEW, tokens=10, rate=BY_TOKENS)
    await queue.clock.advance(100)
    assert names(queue) == ["old", "old", "old", "new", "old", "new"]


@on_a_loop
async def test_a_lane_that_was_empty_has_saved_up_no_turns() -> None:
    """Behind searches that have gone for long, what is ingested has no more than its part of the turns that follow."""
    queue = Queue()
    for _ in range(300):
        queue.join(place(lane=SEARCH))
    await queue.clock.advance(160)
    for _ in range(20):
        queue.join(place(lane=INGEST))
    queue.went.clear()
    await queue.clock.advance(34)
    assert sum(each.place.lane is INGEST for each in queue.went) == pytest.approx(2, abs=1)


@on_a_loop
async def test_where_there_is_no_limit_turns_are_shared_too() -> None:
    """When a pause ends, those who waited go by lane and by caller, though their calls cost no time."""
    queue = Queue()
    await queue.join(place(Rate()))
    queue.limiter.pause("g", 5, "")
    for lane in (INGEST, OTHER):
        for caller in (OLD, OLD, OLD, NEW, NEW, NEW):
            queue.join(place(Rate(), lane=lane, caller=caller))
    queue.went.clear()
    await queue.clock.advance(5)
    assert [each.at for each in queue.went] == [5] * 12
    assert [each.place.caller.name for each in queue.went if each.place.lane is OTHER] == ["old", "new"] * 3
    assert [each.place.lane for each in queue.went[:6]].count(INGEST) == 1


@pytest.mark.parametrize(
    ("waiting", "coming", "ahead"),
    [(1, 1, 1), (1, 4, 0), (4, 1, 4), (2, 4, 0), (4, 2, 2)],
)
@on_a_loop
async def test_who_has_a_greater_share_is_told_a_shorter_wait(waiting: int, coming: int, ahead: int) -> None:
    """A deadline is compared with the turns that others have before one's own, by the shares of both."""
    queue = Queue()
    others, caller = Caller("others", share=waiting), Caller("coming", share=coming)
    await join(queue, *repeat(others, 30))
    late = queue.join(place(caller=caller, deadline=1000 + ahead + 0.5))
    await settle()
    assert late.done()
    error = late.exception()
    assert isinstance(error, InferenceError)
    assert (error.kind, error.retry_after) == (Kind.RATE_LIMITED, pytest.approx(0.5))
    in_time = queue.join(place(caller=caller, deadline=1000 + ahead + 1.0))
    await settle()
    assert not in_time.done()
