from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from clock import settle
from hypothesis import given
from hypothesis import strategies as st
from turns import Queue, calls_waiting, place

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.quota import Allowance, Bucket, Cost, Lane, Rate
from inferpoint.model.requests import Caller
from inferpoint.outbound.gcra import LATE
from inferpoint.outbound.limiter import FORGOTTEN

NOT_QUITE = 1e-9  # floating numbers are added up


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def test_calls_leave_evenly_spaced() -> None:
    """The first goes at once, each other one exactly an interval after the one before."""

    async def main() -> None:
        queue = Queue()
        tasks = [queue.join() for _ in range(5)]
        await queue.clock.advance(10)
        await asyncio.gather(*tasks)
        assert queue.times == pytest.approx([0, 1, 2, 3, 4])

    run(main())


def test_a_pause_saves_up_nothing() -> None:
    """After a long rest there is no burst unless one is configured: one goes at once, the next an interval later."""

    async def main() -> None:
        queue = Queue()
        queue.join()
        await queue.clock.advance(100)
        for _ in range(3):
            queue.join()
        await queue.clock.advance(5)
        assert queue.times == pytest.approx([0, 100, 101, 102])

    run(main())


def test_a_burst_goes_at_once_after_a_rest() -> None:
    """As many as configured go together, then one an interval; a new group has rested."""

    async def main() -> None:
        queue = Queue()
        for _ in range(5):
            queue.join(place(Rate(60, burst=3)))
        await queue.clock.advance(2.5)
        assert queue.times == pytest.approx([0, 0, 0, 1, 2])

    run(main())


def test_tokens_hold_up_the_next_call_by_what_they_take() -> None:
    """Where tokens are limited too, a call that costs much is followed by a longer rest."""

    async def main() -> None:
        queue = Queue()
        for tokens in (600, 10, 60, 0, 0):
            queue.join(place(Rate(60, 600)), tokens)
        await queue.clock.advance(100)
        assert queue.times == pytest.approx([0, 60, 61, 67, 68])

    run(main())


def test_what_a_call_really_cost_is_settled() -> None:
    """A call that cost less than estimated lets the next go sooner, one that cost more later; the last word holds."""

    async def main() -> None:
        queue = Queue()
        turn = await queue.join(place(Rate(6000, 600)), 600)
        queue.join(place(Rate(6000, 600)), 600)
        await queue.clock.advance(1)
        turn.settle(Cost(tokens=1000))
        turn.settle(Cost(tokens=100))
        await queue.clock.advance(50)
        assert queue.times == pytest.approx([0, 10])
        dear = queue.join(place(Rate(6000, 600)), 10)
        await queue.clock.advance(19)
        (await dear).settle(Cost(tokens=610))
        queue.join(place(Rate(6000, 600)))
        await queue.clock.advance(100)
        assert queue.times == pytest.approx([0, 10, 70, 70 + 61])

    run(main())


def test_groups_do_not_wait_for_each_other() -> None:
    """Each group has a queue of its own, and what has no limit waits for nothing."""

    async def main() -> None:
        queue = Queue()
        for group in ("a", "b", "a"):
            queue.join(place(group=group))
        for _ in range(3):
            queue.join(place(Rate(), group="free"), 1000)
        await queue.clock.advance(0)
        assert queue.times == [0] * 5
        assert await calls_waiting(queue.limiter) == 1
        await queue.clock.advance(1)
        assert await calls_waiting(queue.limiter) == 0

    run(main())


def test_a_provider_that_says_wait_holds_up_all() -> None:
    """A pause is for everybody in the group, the shorter of two is no end to the longer, and then the pace goes on."""

    async def main() -> None:
        queue = Queue()
        await queue.join()
        for _ in range(3):
            queue.join()
        queue.limiter.pause("g", 10, "")
        queue.limiter.pause("g", 2, "")
        queue.limiter.pause("nobody", 2, "")
        await queue.clock.advance(20)
        assert queue.times == pytest.approx([0, 10, 11, 12])
        free = place(Rate(), group="free")
        await queue.join(free)
        queue.limiter.pause("free", 5, "")
        queue.join(free)
        await queue.clock.advance(4)
        assert await calls_waiting(queue.limiter) == 1
        await queue.clock.advance(1)
        assert await calls_waiting(queue.limiter) == 0

    run(main())


def test_the_providers_own_pace_is_followed_when_little_is_left() -> None:
    """Of a provider's limit that is smaller than ours the last tenth goes at its pace; with plenty left at ours."""

    async def main() -> None:
        queue = Queue()
        fast = place(Rate(6000))
        await queue.join(fast)
        queue.limiter.learn("g", Allowance(Bucket(limit=60, remaining=50, full_in=10)))
        await queue.clock.advance(1)
        for _ in range(3):
            queue.join(fast)
        await queue.clock.advance(1)
        assert queue.times == pytest.approx([0, 1, 1.01, 1.02])
        queue.limiter.learn("g", Allowance(Bucket(limit=60, remaining=3, full_in=57)))
        for _ in range(3):
            queue.join(fast)
        await queue.clock.advance(3)
        assert queue.times[4:] == pytest.approx([2, 3, 4])
        queue.limiter.learn("g", Allowance(Bucket(limit=60, remaining=0, full_in=60)))
        queue.join(fast)
        await queue.clock.advance(0.9)
        assert len(queue.went) == 7
        await queue.clock.advance(0.1)
        assert len(queue.went) == 8

    run(main())


@pytest.mark.parametrize(
    "told",
    [
        Bucket(limit=200, remaining=2, full_in=36_000),
        Bucket(limit=0, remaining=0, full_in=0),
        Bucket(limit=10, remaining=20, full_in=5),
        Bucket(limit=10, remaining=0, full_in=0),
    ],
    ids=["a day's", "nothing", "more than all", "no time"],
)
def test_what_tells_no_pace_changes_none(told: Bucket) -> None:
    """A limit of a day, or one that makes no sense, slows nobody down; it is still shown."""

    async def main() -> None:
        queue = Queue()
        await queue.join()
        queue.limiter.learn("g", Allowance(told, told))
        queue.join(tokens=5)
        queue.join(tokens=5)
        await queue.clock.advance(2)
        assert queue.times == pytest.approx([0, 1, 2])
        shown = (await queue.limiter.groups())[0].told
        assert [each and each.limit for each in (shown.requests, shown.tokens)] == [told.limit] * 2

    run(main())


def test_a_search_goes_before_all_that_is_ingested() -> None:
    """Behind a full queue of another lane a search waits one interval at the most, then comes what is unmarked."""

    async def main() -> None:
        queue = Queue()
        for _ in range(50):
            queue.join(place(lane=Lane.INGEST))
        await queue.clock.advance(2.5)
        queue.join()
        queue.join(place(lane=Lane.SEARCH))
        await queue.clock.advance(2)
        assert [each.place.lane for each in queue.went] == [*[Lane.INGEST] * 3, Lane.SEARCH, Lane.OTHER]

    run(main())


def test_no_lane_starves() -> None:
    """With all lanes full each has its reserved share of the turns."""

    async def main() -> None:
        queue = Queue()
        for lane in Lane:
            for _ in range(300):
                queue.join(place(lane=lane))
        await queue.clock.advance(210)
        shares = Counter(each.place.lane for each in queue.went)
        assert shares[Lane.SEARCH] == pytest.approx(160, abs=3)
        assert shares[Lane.OTHER] == pytest.approx(40, abs=3)
        assert shares[Lane.INGEST] == pytest.approx(10, abs=2)

    run(main())


def test_callers_have_their_shares() -> None:
    """Of callers with full queues each has turns in proportion to its share, whoever came first or asks for more."""

    async def main() -> None:
        queue = Queue()
        callers = [Caller("first"), Caller("many"), Caller("twice", share=2)]
        for caller, count in zip(callers, (200, 900, 200), strict=True):
            for _ in range(count):
                queue.join(place(caller=caller))
        await queue.clock.advance(400)
        shares = Counter(each.place.caller.name for each in queue.went)
        assert [shares[caller.name] for caller in callers] == pytest.approx([100, 100, 200], abs=2)

    run(main())


def test_shares_are_of_what_calls_cost() -> None:
    """Where tokens are what is scarce, a caller of large calls has no more of them than one of small calls."""

    async def main() -> None:
        queue = Queue()
        limited = Rate(6000, 6000)
        for _ in range(400):
            queue.join(place(limited, caller=Caller("large")), 500)
            queue.join(place(limited, caller=Caller("small")), 50)
        await queue.clock.advance(300)
        spent: Counter[str] = Counter()
        for each in queue.went:
            spent[each.place.caller.name] += each.tokens
        assert spent["large"] == pytest.approx(spent["small"], abs=2 * 500)

    run(main())


def test_another_try_goes_before_its_callers_other_calls() -> None:
    """A call that is tried again does not wait as long as it has waited already, at nobody else's cost."""

    async def main() -> None:
        queue = Queue()
        mine, other = place(caller=Caller("mine")), place(caller=Caller("other"))
        await queue.join(mine)
        for _ in range(5):
            queue.join(mine)
            queue.join(other)
        again = queue.join(mine, first=True)
        await queue.clock.advance(2)
        assert again.done()
        assert Counter(each.place.caller.name for each in queue.went) == {"mine": 2, "other": 1}

    run(main())


def test_who_leaves_leaves_no_gap_and_nothing_behind() -> None:
    """Those behind somebody who gave up move up, and nothing is left of them: no waiter, no timer."""

    async def main() -> None:
        queue = Queue()
        tasks = [queue.join() for _ in range(5)]
        await settle()
        for task in tasks[1:4]:
            task.cancel()
        await queue.clock.advance(1)
        assert queue.times == pytest.approx([0, 1])
        queue.join().cancel()
        leaver = queue.join()
        await settle()
        leaver.cancel()
        await settle()
        assert await calls_waiting(queue.limiter) == 0
        assert queue.clock.alarms == 0

    run(main())


def test_who_leaves_in_the_turn_it_was_called_gives_the_turn_on() -> None:
    """A call that is cancelled between its turn and its going wastes no slot and no tokens: the next has it at once."""

    async def main() -> None:
        queue = Queue()
        limited = place(Rate(60, 60))
        tasks = [queue.join(limited, 1) for _ in range(3)]
        await settle()
        queue.clock.at(1001, tasks[1].cancel)  # the limiter's own timer was set before: the turn is given first
        await queue.clock.advance(1)
        assert queue.times == pytest.approx([0, 1])
        assert queue.clock.alarms == 0
        await asyncio.gather(*tasks, return_exceptions=True)
        assert tasks[1].cancelled()
        assert tasks[2].done()

    run(main())


def test_a_turn_given_back_late_is_not_given_twice() -> None:
    """When somebody else has gone meanwhile, a turn that is given back lets nobody go too early."""

    async def main() -> None:
        queue = Queue()
        first = await queue.join()
        queue.join()
        queue.join()
        await queue.clock.advance(1)
        first.release()
        await queue.clock.advance(3)
        assert all(later - earlier >= 1 - NOT_QUITE for earlier, later in pairwise(queue.times)), queue.times

    run(main())


def test_a_full_queue_refuses_at_once() -> None:
    """Beyond its capacity a queue takes nobody in, and says when to come again."""

    async def main() -> None:
        queue = Queue(capacity=2)
        for _ in range(3):
            queue.join()
        await settle()
        with pytest.raises(InferenceError) as caught:
            await queue.go(place())
        assert caught.value.kind is Kind.OVERLOADED
        assert str(caught.value) == (
            "Failed to execute task for inference id [e] because the request service [g] queue is full"
        )
        assert caught.value.retry_after == 1
        await queue.clock.advance(3)
        assert queue.times == pytest.approx([0, 1, 2])

    run(main())


def test_a_deadline_that_cannot_be_met_is_refused_at_once() -> None:
    """Who would wait for nothing does not wait; who has just time enough does."""

    async def main() -> None:
        queue = Queue()
        for _ in range(3):
            queue.join()
        await settle()
        with pytest.raises(InferenceError) as caught:
            await queue.go(place(deadline=1002.9))
        assert (caught.value.kind, caught.value.whose_limit) == (Kind.RATE_LIMITED, "ours")
        assert caught.value.retry_after == pytest.approx(0.1)
        assert str(caught.value) == (
            "Failed to execute task for inference id [e] because the request service [g] has a queue of [3.0s] at [60]"
            " requests a minute, which is longer than the timeout of the request"
        )
        queue.join(place(deadline=1003.0))
        await queue.clock.advance(3)
        assert queue.times == pytest.approx([0, 1, 2, 3])

    run(main())


def test_who_cannot_outlast_a_providers_pause_is_told_whose_it_is() -> None:
    """A pause beyond the deadline is refused at once, as the provider's limit and with its time."""

    async def main() -> None:
        queue = Queue()
        await queue.join()
        queue.limiter.pause("g", 100, "")
        with pytest.raises(InferenceError) as caught:
            await queue.go(place(deadline=1030.0))
        assert (caught.value.whose_limit, caught.value.retry_after) == ("provider", pytest.approx(100))
        assert str(caught.value) == (
            "Failed to execute task for inference id [e] because the request service [g] is paused for [100.0s],"
            " as its provider asked"
        )

    run(main())


def test_many_calls_are_refused_before_the_first_is_made() -> None:
    """Calls that only make sense together are refused when the last of them cannot be in time, or has no room."""

    async def main() -> None:
        queue = Queue(capacity=50)
        await queue.check(place(deadline=1009.0), 10)
        with pytest.raises(InferenceError, match=r"has a queue of \[10\.0s\]"):
            await queue.check(place(deadline=1009.0), 11)
        with pytest.raises(InferenceError, match="queue is full"):
            await queue.check(place(), 52)

    run(main())


def test_a_search_is_not_refused_for_what_waits_behind_it() -> None:
    """The wait that a deadline is compared with is that of the lane and the caller, not of the whole queue."""

    async def main() -> None:
        queue = Queue()
        for _ in range(100):
            queue.join(place(lane=Lane.INGEST))
        await settle()
        searching = queue.join(place(lane=Lane.SEARCH, deadline=1003.0))
        newcomer = queue.join(place(lane=Lane.INGEST, caller=Caller("new"), deadline=1005.0))
        await queue.clock.advance(5)
        assert searching.done()
        assert newcomer.done()
        assert searching.exception() is newcomer.exception() is None
        with pytest.raises(InferenceError):
            await queue.go(place(lane=Lane.INGEST, deadline=1090.0))

    run(main())


def test_groups_that_nobody_uses_are_forgotten() -> None:
    """Keys that were replaced leave nothing behind after an hour; a group that still spaces its calls is kept."""

    async def main() -> None:
        queue = Queue()
        for number in range(50):
            await queue.go(place(Rate(600), group=f"old {number}"))
        await queue.go(place(Rate(1), group="paused"))
        queue.limiter.pause("paused", 2 * FORGOTTEN, "")
        await queue.clock.advance(FORGOTTEN)
        await queue.go(place(group="new"))
        assert {each.group for each in await queue.limiter.groups()} == {"paused", "new"}

    run(main())


def test_a_report_tells_how_a_group_stands() -> None:
    """Limits as configured and as told, what waits in each lane, and how long the oldest has."""

    async def main() -> None:
        queue = Queue()
        for lane in (Lane.INGEST, Lane.INGEST, Lane.SEARCH):
            queue.join(place(Rate(1, 100), lane=lane))
            await queue.clock.advance(2)
        (report,) = await queue.limiter.groups()
        assert (report.group, report.service, report.rate) == ("g", "s", Rate(1, 100))
        assert report.waiting == {Lane.SEARCH: 1, Lane.OTHER: 0, Lane.INGEST: 1}
        assert report.oldest == pytest.approx({Lane.SEARCH: 2, Lane.OTHER: 0, Lane.INGEST: 4})
        assert report.paused == 0

    run(main())


@dataclass(frozen=True)
class Arrival:
    """Somebody who comes after a while, and leaves after another while if not served by then."""

    after: float
    patience: float | None
    tokens: int
    really: int
    lane: Lane
    caller: str


@dataclass(frozen=True)
class Jump:
    """The process stands still for a while: everything due in it happens at its end."""

    after: float
    seconds: float


SECONDS = st.integers(0, 40).map(lambda tenths: tenths / 10)
ARRIVAL = st.builds(
    Arrival,
    SECONDS,
    st.none() | SECONDS,
    st.integers(0, 100),
    st.integers(0, 100),
    st.sampled_from(Lane),
    st.sampled_from(["a", "b"]),
)
ARRIVALS = st.lists(ARRIVAL, max_size=25)
JUMPS = st.lists(st.builds(Jump, SECONDS, st.integers(1, 500).map(lambda hundredths: hundredths / 100)), max_size=3)
RATES = st.builds(
    Rate,
    requests=st.sampled_from([15, 60, 100, 3000]),
    tokens=st.none() | st.sampled_from([60, 1000, 10_000]),
    burst=st.sampled_from([1, 1, 3]),
)


async def played(rate: Rate, arrivals: list[Arrival], jumps: list[Jump]) -> tuple[Queue, int]:
    """What went when, at what it was settled; and how many stayed to the end."""
    queue = Queue()
    stayed = 0

    async def one(arrival: Arrival) -> None:
        nonlocal stayed
        await queue.clock.sleep(arrival.after)
        wanted = place(rate, lane=arrival.lane, caller=Caller(arrival.caller))
        task = queue.join(wanted, arrival.tokens)
        if arrival.patience is None:
            stayed += 1
            turn = await task
            await queue.clock.sleep(arrival.really / 100)
            turn.settle(Cost(tokens=arrival.really))
            return
        leaving = queue.clock.at(queue.clock.monotonic() + arrival.patience, task.cancel)
        await asyncio.gather(task, return_exceptions=True)
        leaving.cancel()

    async def jump(by: Jump) -> None:
        await queue.clock.sleep(by.after)
        queue.clock.jump(by.seconds)

    await queue.clock.drive(_all([*(one(arrival) for arrival in arrivals), *(jump(by) for by in jumps)]))
    await settle()
    return queue, stayed


async def _all(coroutines: list[Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*coroutines)


@given(RATES, ARRIVALS, JUMPS)
def test_no_window_holds_more_than_the_rate_allows(rate: Rate, arrivals: list[Arrival], jumps: list[Jump]) -> None:
    """Whoever comes, leaves and settles whenever, no w seconds see more than rate · w + burst requests, none who stays
    is lost, and nothing is left behind; where the clock jumped, by no more than a late timer is made up for.
    """
    queue, stayed = asyncio.run(played(rate, arrivals, jumps))
    assert rate.requests is not None
    interval = 60 / rate.requests
    late = LATE if jumps else 0.0
    for first, start in enumerate(queue.times):
        for count, end in enumerate(queue.times[first:], 1):
            assert count <= (end - start + late) / interval + rate.burst + NOT_QUITE
    assert len(queue.went) >= stayed
    assert asyncio.run(calls_waiting(queue.limiter)) == 0
    assert queue.clock.alarms == 0


@given(RATES.filter(lambda rate: rate.tokens is not None), ARRIVALS)
def test_no_window_holds_more_tokens_than_the_rate_allows(rate: Rate, arrivals: list[Arrival]) -> None:
    """In any w seconds the tokens of all calls but the last are no more than rate · w and what the burst saves up."""
    exact = [Arrival(each.after, each.patience, each.tokens, each.tokens, each.lane, each.caller) for each in arrivals]
    queue, _ = asyncio.run(played(rate, exact, []))
    assert rate.tokens is not None
    assert rate.requests is not None
    saved = (rate.burst - 1) * 60 / rate.requests
    for first, start in enumerate(queue.went):
        spent = 0
        for each in queue.went[first:]:
            assert spent <= (each.at - start.at + saved) * rate.tokens / 60 + NOT_QUITE
            spent += each.tokens


@given(st.integers(1, 12), st.sets(st.integers(0, 11)))
def test_the_rest_go_as_if_who_left_had_never_come(count: int, leaving: set[int]) -> None:
    """Any set of waiters may leave: the others leave no later than without them."""

    async def main() -> list[float]:
        queue = Queue()
        tasks = [queue.join() for _ in range(count)]
        await settle()
        for number in leaving & set(range(count)):
            tasks[number].cancel()
        await queue.clock.advance(count)
        assert queue.clock.alarms == 0
        return queue.times

    staying = [number for number in range(count) if number not in leaving or number == 0]
    assert asyncio.run(main()) == pytest.approx([float(place) for place in range(len(staying))])


@given(st.lists(st.tuples(st.sampled_from(Lane), st.sampled_from(["a", "b", "c"])), min_size=1, max_size=60))
def test_nobody_starves(others: list[tuple[Lane, str]]) -> None:
    """However many others come at every slot, whoever waits in the least urgent lane goes within its share."""

    async def main() -> None:
        queue = Queue(capacity=100_000)
        await queue.join()
        patient = queue.join(place(lane=Lane.INGEST, caller=Caller("patient")))
        for _ in range(4 * 21 + 4):
            for lane, caller in others:
                queue.join(place(lane=lane, caller=Caller(caller)))
            await queue.clock.advance(1)
        assert patient.done()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    run(main())
