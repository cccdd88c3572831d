"""When the next call goes, where a provider told of its limits, calls were corrected or timers were late."""

from __future__ import annotations

import math

import pytest
from clock import FakeClock, on_a_loop, settle
from turns import Queue, place

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.quota import Allowance, Bucket, Cost, Lane, Rate
from inferpoint.outbound.gcra import LATE
from inferpoint.outbound.limiter import FORGOTTEN, Limiter
from inferpoint.outbound.ticket import Permit

SCARCE = Bucket(limit=60, remaining=3, full_in=57)  # refills one a second
PLENTY = Bucket(limit=60, remaining=59, full_in=1)


async def go(queue: Queue, count: int, rate: Rate, tokens: int = 0) -> list[float]:
    """When *count* more calls go, in seconds from now on: all that go within ten minutes."""
    now, before = queue.clock.passed, len(queue.went)
    for _ in range(count):
        queue.join(place(rate), tokens)
    await queue.clock.advance(600)
    return [moment - now for moment in queue.times[before:]]


def learn(queue: Queue, *told: Bucket) -> None:
    """The provider told this of its limit of requests."""
    for bucket in told:
        queue.limiter.learn("g", Allowance(bucket))


@pytest.mark.parametrize(
    ("rate", "told", "times"),
    [
        (Rate(6000), [SCARCE], [0, 1, 2, 3]),
        (Rate(6), [SCARCE], [0, 10, 20, 30]),
        (Rate(6000), [SCARCE, PLENTY], [0, 0.01, 0.02, 0.03]),
        (Rate(6000), [Bucket(limit=60, remaining=3, full_in=2)], [0, 2 / 57, 4 / 57, 6 / 57]),
        (Rate(600), [Bucket(limit=60, remaining=3, full_in=2)], [0, 0.1, 0.2, 0.3]),
    ],
    ids=["slower", "never faster than our own", "better news", "fast", "faster than our own"],
)
@on_a_loop
async def test_a_providers_pace_holds_while_it_is_the_slower_and_the_last_that_was_told(
    rate: Rate, told: list[Bucket], times: list[float]
) -> None:
    """Little left slows a group down, never speeds it up, and only until the provider tells of more."""
    queue = Queue()
    await queue.join(place(rate))
    await queue.clock.advance(60)
    learn(queue, *told)
    assert await go(queue, 4, rate) == pytest.approx(times)


@on_a_loop
async def test_a_providers_pace_ends_when_its_limit_is_full_again() -> None:
    """Slowed down to one a second for three seconds, and not for ever."""
    queue, rate = Queue(), Rate(6000)
    await queue.join(place(rate))
    await queue.clock.advance(1)
    learn(queue, Bucket(limit=4, remaining=0, full_in=4))
    assert await go(queue, 6, rate) == pytest.approx([1, 2, 3, 4, 4.01, 4.02])


@pytest.mark.parametrize(
    ("estimated", "really", "next_at"), [(600, 0, 210), (600, 600, 210), (10, 610, 270)], ids=["less", "as", "more"]
)
@on_a_loop
async def test_after_a_rest_a_call_of_before_is_charged_more_but_never_less(
    estimated: int, really: int, next_at: float
) -> None:
    """Time that nobody used is lost: tokens that were charged to it are not given back, those that came are charged."""
    queue, rate = Queue(), Rate(tokens=600)
    before = await queue.join(place(rate), estimated)
    await queue.clock.advance(200)
    await queue.join(place(rate), 100)
    before.settle(Cost(tokens=really))
    waiting = queue.join(place(rate))
    await queue.clock.advance(next_at - 200 - 0.1)
    assert not waiting.done()
    await queue.clock.advance(0.2)
    assert waiting.done()


@on_a_loop
async def test_a_burst_is_one_of_tokens_too() -> None:
    """What may go at once after a rest does so also where tokens are limited: what they take is paid for later."""
    queue = Queue()
    rate = Rate(60, 600, burst=3)
    assert await go(queue, 6, rate, tokens=10) == pytest.approx([0, 0, 0, 1, 2, 3])
    assert await go(queue, 6, rate, tokens=20) == pytest.approx([0, 0, 2, 4, 6, 8])


@pytest.mark.parametrize(("late", "made_up"), [(0.03, 0.03), (0.05, 0.05), (0.5, LATE), (7, LATE)])
@on_a_loop
async def test_a_late_timer_is_made_up_for(late: float, made_up: float) -> None:
    """What a busy machine loses between two calls the next has less to wait, up to a twentieth of a second."""
    queue = Queue()
    for _ in range(3):
        queue.join()
    await settle()
    queue.clock.jump(1 + late)
    await queue.clock.advance(10)
    assert queue.times == pytest.approx([0, 1 + late, 2 + late - made_up])


@on_a_loop
async def test_a_pause_has_its_bound() -> None:
    """A provider that asks for ever is asked again, after a minute where nothing else was configured."""
    clock = FakeClock()
    for limiter, seconds in ((Limiter(clock), 60), (Limiter(clock, 600), 600)):
        assert isinstance(await limiter.permit(place(), Cost), Permit)
        limiter.pause("g", math.inf, "It was asked to.")
        (report,) = await limiter.groups()
        assert (report.paused, report.paused_because) == (seconds, "It was asked to.")


@pytest.mark.parametrize("tokens", [1, 1_000_000])
@pytest.mark.parametrize("full_in", [120.0, 60.0, 1e-300])
@pytest.mark.parametrize("limit", [1, 10**18])
@on_a_loop
async def test_what_a_provider_tells_of_its_limits_slows_no_call_down_for_longer(
    limit: int, full_in: float, tokens: int
) -> None:
    """Nothing is left of one token, or of any number, or calls are large: a minute later the pace is our own again."""
    queue, rate = Queue(longest=60), Rate(6000)
    before = await queue.join(place(rate), tokens)
    queue.limiter.learn("g", Allowance(Bucket(limit, 0, full_in), Bucket(limit, 0, full_in)))
    before.settle(Cost(tokens=tokens * 2))
    for _ in range(4):
        queue.join(place(rate), tokens)
    await queue.clock.advance(61)
    assert len(queue.went) == 5


@on_a_loop
async def test_a_group_that_is_released_goes_at_once_and_at_its_own_pace() -> None:
    """Neither the pause is left nor what the provider told of its pace; others are not released."""
    queue, rate = Queue(), Rate(60)
    await queue.join(place(rate))
    queue.limiter.learn("g", Allowance(Bucket(limit=10, remaining=0, full_in=100)))
    queue.limiter.pause("g", 90, "")
    for _ in range(3):
        queue.join(place(rate))
    await queue.clock.advance(5)
    queue.limiter.release("unknown")
    assert len(queue.went) == 1
    queue.limiter.release("g")
    await queue.clock.advance(10)
    assert queue.times == pytest.approx([0, 5, 6, 7])
    (report,) = await queue.limiter.groups()
    assert (report.paused, report.paused_because) == (0, "")


@pytest.mark.parametrize(("seconds", "refused"), [(80, True), (110, False)])
@on_a_loop
async def test_the_wait_is_told_by_what_calls_took_of_late(seconds: float, refused: bool) -> None:
    """Where tokens are what is scarce, who would come too late behind ten large calls is told so at once."""
    queue, rate = Queue(capacity=10_000), Rate(6000, 600)
    for _ in range(300):
        queue.join(place(rate), 100)
    await queue.clock.advance(3000)
    assert len(queue.went) == 300
    for _ in range(10):
        queue.join(place(rate), 100)
    await settle()
    asking = queue.join(place(rate, deadline=queue.clock.monotonic() + seconds))
    await settle()
    assert asking.done() is refused
    if refused:
        error = asking.exception()
        assert isinstance(error, InferenceError)
        assert (error.kind, error.whose_limit) == (Kind.RATE_LIMITED, "ours")


@on_a_loop
async def test_a_limit_that_was_changed_holds_for_a_group_that_is_there() -> None:
    """From the first call on that comes with it: pace, burst and report are those of the new limit."""
    queue = Queue()
    assert await go(queue, 3, Rate(60)) == pytest.approx([0, 1, 2])
    faster = Rate(120, burst=2)
    assert await go(queue, 4, faster) == pytest.approx([0, 0, 0.5, 1])
    assert [report.rate for report in await queue.limiter.groups()] == [faster]


@on_a_loop
async def test_a_group_is_remembered_for_an_hour_from_its_last_use() -> None:
    """Not from its first: what its provider told is still known when other groups come."""
    queue = Queue()
    await queue.join(place(Rate(), group="used"))
    await queue.join(place(Rate(), group="left"))
    await queue.clock.advance(FORGOTTEN - 10)
    await queue.join(place(Rate(), group="used"))
    await queue.clock.advance(20)
    await queue.join(place(Rate(), group="new"))
    assert {report.group for report in await queue.limiter.groups()} == {"used", "new"}


@on_a_loop
async def test_nobody_overtakes_a_queue_whose_timer_is_late() -> None:
    """Who comes when a turn is due, but not yet given, goes behind those who wait."""
    queue = Queue()
    for tokens in (1, 2, 3):
        queue.join(tokens=tokens)
    await settle()
    queue.clock.jump(1.5)
    queue.join(tokens=4)
    await queue.clock.advance(10)
    assert [each.tokens for each in queue.went] == [1, 2, 3, 4]


@on_a_loop
async def test_a_turn_that_is_given_back_wakes_the_next() -> None:
    """Who waits behind a call that was not sent goes at that moment, and not when it would have been paid for."""
    queue = Queue()
    unused = await queue.join(place(Rate(1)))
    queue.join(place(Rate(1)))
    await queue.clock.advance(10)
    unused.release()
    await queue.clock.advance(100)
    assert queue.times == pytest.approx([0, 10])


@on_a_loop
async def test_a_report_tells_of_the_oldest_who_waits() -> None:
    """Of several in one lane it is the one who came first."""
    queue = Queue()
    for _ in range(4):
        queue.join(place(Rate(1), lane=Lane.SEARCH))
        await queue.clock.advance(2)
    (report,) = await queue.limiter.groups()
    assert (report.waiting[Lane.SEARCH], report.oldest[Lane.SEARCH]) == (3, pytest.approx(6))
