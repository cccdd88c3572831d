from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from clock import FakeClock, settle
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.inference import ANONYMOUS
from inferpoint.runtime.limiter import Limiter, Place

NOT_QUITE = 1e-9  # floating numbers are added up


def place(rate: int | None = 60, group: str = "g", deadline: float | None = None) -> Place:
    return Place(group, rate, ANONYMOUS, "e", deadline=deadline)


@dataclass(frozen=True)
class Arrival:
    """Somebody who comes after a while, and leaves after another while if not served by then."""

    after: float
    patience: float | None


class Queue:
    """A limiter on a clock of its own, and when each call was let go."""

    def __init__(self, capacity: int = 2000) -> None:
        self.clock = FakeClock()
        self.limiter = Limiter(self.clock, capacity)
        self.went: list[float] = []

    async def go(self, wanted: Place) -> None:
        waited = await self.limiter.turn(wanted)
        assert waited >= 0
        self.went.append(self.clock.passed)

    def join(self, wanted: Place | None = None) -> asyncio.Task[None]:
        return asyncio.ensure_future(self.go(wanted or place()))


def test_calls_leave_evenly_spaced() -> None:
    """The first goes at once, each other one exactly an interval after the one before."""

    async def main() -> None:
        queue = Queue()
        tasks = [queue.join() for _ in range(5)]
        await queue.clock.advance(10)
        await asyncio.gather(*tasks)
        assert queue.went == pytest.approx([0, 1, 2, 3, 4])

    asyncio.run(main())


def test_a_pause_saves_up_nothing() -> None:
    """After a long rest there is no burst: one goes at once, the next an interval later."""

    async def main() -> None:
        queue = Queue()
        queue.join()
        await queue.clock.advance(100)
        for _ in range(3):
            queue.join()
        await queue.clock.advance(5)
        assert queue.went == pytest.approx([0, 100, 101, 102])

    asyncio.run(main())


def test_groups_do_not_wait_for_each_other() -> None:
    """Each group has a queue of its own, and what has no limit has none."""

    async def main() -> None:
        queue = Queue()
        for group in ("a", "b", "a"):
            queue.join(place(group=group))
        for _ in range(3):
            queue.join(place(None))
        await queue.clock.advance(0)
        assert queue.went == [0] * 5
        assert queue.limiter.waiting() == 1
        await queue.clock.advance(1)
        assert queue.limiter.waiting() == 0

    asyncio.run(main())


def test_who_leaves_leaves_no_gap_and_nothing_behind() -> None:
    """Those behind somebody who gave up move up, and nothing is left of them: no waiter, no timer."""

    async def main() -> None:
        queue = Queue()
        tasks = [queue.join() for _ in range(5)]
        await settle()
        for task in tasks[1:4]:
            task.cancel()
        await queue.clock.advance(1)
        assert queue.went == pytest.approx([0, 1])
        queue.join().cancel()
        leaver = queue.join()
        await settle()
        leaver.cancel()
        await settle()
        assert queue.limiter.waiting() == 0
        assert queue.clock.alarms == 0

    asyncio.run(main())


def test_who_leaves_in_the_turn_it_was_called_gives_the_turn_on() -> None:
    """A call that is cancelled between its turn and its going wastes no slot: the next has it at once."""

    async def main() -> None:
        queue = Queue()
        tasks = [queue.join() for _ in range(3)]
        await settle()
        queue.clock.at(1001, tasks[1].cancel)  # the limiter's own timer was set before: the turn is given first
        await queue.clock.advance(1)
        assert queue.went == pytest.approx([0, 1])
        assert queue.clock.alarms == 0
        await asyncio.gather(*tasks, return_exceptions=True)
        assert tasks[1].cancelled()
        assert tasks[2].done()

    asyncio.run(main())


def test_a_turn_given_back_late_is_not_given_twice() -> None:
    """When somebody else has gone meanwhile, a turn that is given back lets nobody go too early."""

    async def main() -> None:
        queue = Queue()
        first, late = queue.join(), queue.join()
        await settle()
        await first
        # A loop that is late: the turn comes, time goes on, another comes and goes, and only then the first can leave.
        other = queue.join()
        queue.clock._ring()
        queue.clock._now += 5
        late.cancel()
        third = queue.join()
        await queue.clock.advance(3)
        await asyncio.gather(other, third)
        times = sorted(queue.went)
        assert all(later - earlier >= 1 - NOT_QUITE for earlier, later in pairwise(times)), times

    asyncio.run(main())


def test_a_full_queue_refuses_at_once() -> None:
    """Beyond its capacity a queue takes nobody in, and says when to come again."""

    async def main() -> None:
        queue = Queue(capacity=2)
        for _ in range(3):
            queue.join()
        await settle()
        with pytest.raises(InferenceError) as caught:
            await queue.limiter.turn(place())
        assert caught.value.kind is Kind.OVERLOADED
        assert str(caught.value) == (
            "Failed to execute task for inference id [e] because the request service [g] queue is full"
        )
        assert caught.value.retry_after == 1
        await queue.clock.advance(3)
        assert queue.went == pytest.approx([0, 1, 2])

    asyncio.run(main())


def test_a_deadline_that_cannot_be_met_is_refused_at_once() -> None:
    """Who would wait for nothing does not wait; who has just time enough does."""

    async def main() -> None:
        queue = Queue()
        for _ in range(3):
            queue.join()
        await settle()
        with pytest.raises(InferenceError) as caught:
            await queue.limiter.turn(place(deadline=1002.9))
        assert (caught.value.kind, caught.value.whose_limit) == (Kind.RATE_LIMITED, "ours")
        assert caught.value.retry_after == pytest.approx(3)
        assert str(caught.value) == (
            "Failed to execute task for inference id [e] because the request service [g] has a queue of [3.0s] at [60]"
            " requests a minute, which is longer than the timeout of the request"
        )
        queue.join(place(deadline=1003.0))
        await queue.clock.advance(3)
        assert queue.went == pytest.approx([0, 1, 2, 3])

    asyncio.run(main())


SECONDS = st.integers(0, 40).map(lambda tenths: tenths / 10)
ARRIVALS = st.lists(st.builds(Arrival, SECONDS, st.none() | SECONDS), max_size=25)


async def played(rate: int, arrivals: list[Arrival]) -> tuple[Queue, int]:
    """What went when, and how many stayed to the end."""
    queue = Queue()
    stayed = 0

    async def one(arrival: Arrival) -> None:
        nonlocal stayed
        await queue.clock.sleep(arrival.after)
        task = queue.join(place(rate))
        if arrival.patience is None:
            stayed += 1
            await task
            return
        leaving = queue.clock.at(queue.clock.monotonic() + arrival.patience, task.cancel)
        await asyncio.gather(task, return_exceptions=True)
        leaving.cancel()

    await queue.clock.drive(_all(one(arrival) for arrival in arrivals))
    await settle()
    return queue, stayed


async def _all(coroutines: Any) -> None:
    await asyncio.gather(*coroutines)


@given(st.sampled_from([15, 60, 100, 3000]), ARRIVALS)
def test_no_window_holds_more_than_the_rate_allows(rate: int, arrivals: list[Arrival]) -> None:
    """Whoever comes and leaves whenever, no w seconds see more than rate · w + 1 calls, and none who stays is lost."""
    queue, stayed = asyncio.run(played(rate, arrivals))
    interval = 60 / rate
    for first, start in enumerate(queue.went):
        for count, end in enumerate(queue.went[first:], 1):
            assert count <= (end - start) / interval + 1 + NOT_QUITE
    assert len(queue.went) >= stayed
    assert queue.limiter.waiting() == 0
    assert queue.clock.alarms == 0


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
        return queue.went

    staying = [number for number in range(count) if number not in leaving or number == 0]
    assert asyncio.run(main()) == pytest.approx([float(place) for place in range(len(staying))])


def test_groups_that_are_idle_are_forgotten() -> None:
    """Keys that were replaced leave nothing behind; a group that still spaces its calls is kept."""

    async def main() -> None:
        queue = Queue()
        for number in range(50):
            await queue.go(place(rate=600, group=f"old {number}"))
        await queue.clock.advance(1)
        await queue.go(place(rate=1, group="slow"))
        await queue.go(place(group="new"))
        assert set(queue.limiter._groups) == {"slow", "new"}

    asyncio.run(main())
