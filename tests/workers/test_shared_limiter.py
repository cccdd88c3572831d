"""Several workers at one limiter, without the processes: what they say goes through the wire's form and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest
from clock import FakeClock, settle
from msgspec import structs
from turns import calls_waiting

from inferpoint.calls.refusals import refused as worded
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.caller_limits import CallerLimits
from inferpoint.model.deadline import NEVER, Deadline
from inferpoint.model.price import Price
from inferpoint.model.quota import Allowance, Bucket, Cost, Lane, Rate
from inferpoint.model.requests import Caller
from inferpoint.outbound.caller_limits import limiting_callers
from inferpoint.outbound.limiter import Limiter
from inferpoint.outbound.spending import Spending
from inferpoint.outbound.ticket import Permit, Reason, Refusal, Ticket
from inferpoint.workers.client import LimiterClient
from inferpoint.workers.messages import FromLimiter, ToLimiter, Wanted
from inferpoint.workers.server import LimiterServer

PRICE = Price(usd_per_million_input_tokens=1000.0)


def passed_on(message: Any, types: Any) -> Any:
    """*message* as it arrives."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=types)


async def permitted(limiter: Limiter | LimiterClient, wanted: Ticket, tokens: Callable[[], int]) -> Permit:
    permit = await limiter.permit(wanted, lambda: Cost(tokens=tokens(), calls=1))
    if isinstance(permit, Refusal):
        raise worded(permit, wanted, "e")
    return permit


async def checked(limiter: Limiter | LimiterClient, wanted: Ticket, calls: int) -> None:
    refusal = await limiter.check_deadline(wanted, calls)
    if refusal is not None:
        raise worded(refusal, wanted, "e")


class Worker:
    """One worker's limiter, and its desk. What the desk says is on its way until `deliver`, unless it is *quick*."""

    def __init__(self, limiter: Limiter, clock: FakeClock, *, quick: bool = True) -> None:
        self.quick = quick
        self.coming: list[FromLimiter] = []
        self.asked: list[ToLimiter] = []
        self.desk = LimiterServer(limiter, self._answer)
        self.limiter = LimiterClient(self._ask, clock)

    def join(
        self, wanted: Ticket, tokens: Callable[[], int] = lambda: 0, *, first: bool = False
    ) -> asyncio.Task[Permit]:
        return asyncio.ensure_future(permitted(self.limiter, structs.replace(wanted, ahead=first), tokens))

    def deliver(self) -> None:
        while self.coming:
            self.limiter.receive(passed_on(self.coming.pop(0), FromLimiter))

    def _ask(self, message: ToLimiter) -> None:
        self.asked.append(message)
        self.desk.receive(passed_on(message, ToLimiter))

    def _answer(self, message: FromLimiter) -> None:
        self.coming.append(message)
        if self.quick:
            self.deliver()


class Machine:
    """The limiter of all, and workers at it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.limiter = limiting_callers(self.clock, Spending(self.clock))

    def worker(self, *, quick: bool = True) -> Worker:
        return Worker(self.limiter, self.clock, quick=quick)

    async def free_in(self, wanted: Ticket) -> float:
        """Seconds until one more call may go."""
        before = self.clock.passed
        await self.clock.drive(permitted(self.limiter, wanted, lambda: 0))
        return self.clock.passed - before


def place(rate: Rate | None = None, name: str = "a", lane: Lane = Lane.OTHER, deadline: float | None = None) -> Ticket:
    return Ticket("g", rate or Rate(60), Caller(name), lane, "s", NEVER if deadline is None else Deadline(deadline))


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def test_all_workers_share_one_limit() -> None:
    """The calls of two workers leave one after the other, each an interval after the one before."""

    async def main() -> None:
        machine = Machine()
        one, two = machine.worker(), machine.worker()
        tasks = [worker.join(place(name=name)) for worker, name in ((one, "a"), (two, "b")) for _ in range(3)]
        gone: list[int] = []
        for _ in range(6):
            await settle()
            gone.append(sum(task.done() for task in tasks))
            await machine.clock.advance(1)
        assert gone == [1, 2, 3, 4, 5, 6]
        assert sorted([(await task).waited for task in tasks]) == [0, 1, 2, 3, 4, 5]

    run(main())


def test_lanes_are_those_of_the_machine() -> None:
    """A search of one worker goes before what another has been ingesting for long."""

    async def main() -> None:
        machine = Machine()
        one, two = machine.worker(), machine.worker()
        ingesting = [one.join(place(lane=Lane.INGEST)) for _ in range(10)]
        await machine.clock.advance(0.5)
        search = two.join(place(lane=Lane.SEARCH))
        await machine.clock.advance(0.5)
        assert (await search).waited == 0.5
        assert sum(task.done() for task in ingesting) == 1
        for task in ingesting:
            task.cancel()
        await settle()
        assert await calls_waiting(machine.limiter) == 0

    run(main())


def test_another_try_goes_before_what_its_caller_sends_by_other_workers() -> None:
    """A call that had a turn already does not wait behind those that came meanwhile, to whichever worker."""

    async def main() -> None:
        machine = Machine()
        one, two = machine.worker(), machine.worker()
        others = [worker.join(place()) for worker in (one, two, one, two)]
        await settle()
        again = one.join(place(), first=True)
        await machine.clock.advance(1)
        assert [task.done() for task in (*others, again)] == [True, False, False, False, True]
        await machine.clock.advance(3)

    run(main())


def test_the_places_of_a_worker_that_is_gone_are_free_at_once() -> None:
    """Nobody waits for those who cannot go any more; what they were given before stays charged."""

    async def main() -> None:
        machine = Machine()
        one, two = machine.worker(), machine.worker()
        lost = [one.join(place()) for _ in range(100)]
        await settle()
        other = two.join(place(name="b"))
        await settle()
        assert await calls_waiting(machine.limiter) == 100
        one.desk.close()
        await settle()
        assert await calls_waiting(machine.limiter) == 1
        await machine.clock.advance(0.9)
        assert not other.done()
        await machine.clock.advance(0.2)
        assert other.done()
        for task in lost:
            task.cancel()
        await settle()

    run(main())


def test_a_caller_who_leaves_gives_its_place_back() -> None:
    """Whether its turn has come, is on its way or has not: nothing is charged for it."""

    async def main() -> None:
        machine = Machine()
        worker = machine.worker(quick=False)
        granted, waiting = worker.join(place()), worker.join(place())
        await settle()
        assert worker.coming
        granted.cancel()
        waiting.cancel()
        await settle()
        worker.deliver()
        assert await calls_waiting(machine.limiter) == 0
        assert await machine.free_in(place()) == 0
        unbegun = worker.join(place())
        await asyncio.sleep(0)
        unbegun.cancel()
        await settle()
        assert await machine.free_in(place()) == 1

    run(main())


def test_a_turn_that_was_not_used_is_given_back() -> None:
    """The next may have it."""

    async def main() -> None:
        machine = Machine()
        (await machine.worker().join(place())).release()
        assert await machine.free_in(place()) == 0

    run(main())


def test_tokens_are_charged_as_they_are_known() -> None:
    """First what was estimated, then what is asked for when the turn has come, then what the provider says."""

    async def main() -> None:
        machine = Machine()
        rate = Rate(None, 60)
        known = iter([10, 30])
        turn = await machine.worker().join(place(rate), lambda: next(known))
        assert await machine.free_in(place(rate)) == 30
        turn = await machine.worker().join(place(rate), lambda: 10)
        turn.settle(Cost(tokens=5))
        assert await machine.free_in(place(rate)) == 5

    run(main())


def test_what_is_refused_is_told_as_it_is() -> None:
    """Kind, text, when to come back and whose limit it was are those of the limiter."""

    async def main() -> None:
        machine = Machine()
        worker = machine.worker()
        late = place(deadline=machine.clock.monotonic() + 0.5)
        await worker.join(place())
        found: list[InferenceError] = []
        for limiter in (worker.limiter, machine.limiter):
            for refused in (permitted(limiter, late, lambda: 0), checked(limiter, late, 1)):
                with pytest.raises(InferenceError) as caught:
                    await refused
                found.append(caught.value)
        assert len({(each.kind, str(each), each.retry_after, each.whose_limit) for each in found}) == 1
        assert found[0].kind is Kind.RATE_LIMITED
        await checked(worker.limiter, place(), 5)

    run(main())


def test_what_one_worker_is_told_holds_for_all() -> None:
    """A pause that a provider asks for, and what it tells of its limits, are the group's."""

    async def main() -> None:
        machine = Machine()
        one, two = machine.worker(), machine.worker()
        await one.join(place())
        one.limiter.learn("g", Allowance(Bucket(100, 50, 30.0)))
        one.limiter.pause("g", 7, "It was asked to")
        waiting = two.join(place(lane=Lane.SEARCH))
        await machine.clock.advance(6)
        (report,) = await one.limiter.groups()
        assert [report] == list(await machine.limiter.groups())
        assert (report.told, report.paused, report.waiting[Lane.SEARCH]) == (Allowance(Bucket(100, 50, 24.0)), 1, 1)
        assert report.paused_because == "It was asked to"
        await machine.clock.advance(1)
        assert waiting.done()

    run(main())


def test_a_pause_that_one_worker_ends_is_over_for_all() -> None:
    """Whoever waits in another goes at once."""

    async def main() -> None:
        machine = Machine()
        one, two = machine.worker(), machine.worker()
        await one.join(place())
        one.limiter.pause("g", 60, "")
        waiting = one.join(place())
        await machine.clock.advance(5)
        assert not waiting.done()
        two.limiter.release("g")
        await machine.clock.advance(0)
        assert waiting.done()

    run(main())


def test_without_a_supervisor_nobody_waits() -> None:
    """Who waits when it goes, and who comes afterwards, is told at once."""

    async def main() -> None:
        machine = Machine()
        worker = machine.worker()
        await worker.join(place())
        waiting = worker.join(place())
        await settle()
        worker.limiter.lose()
        for task in (waiting, worker.join(place())):
            with pytest.raises(InferenceError) as caught:
                await task
            assert caught.value.kind is Kind.OVERLOADED

    run(main())


def test_turns_that_nobody_has_any_more_are_forgotten() -> None:
    """The supervisor keeps nothing of calls that are over, however they ended."""

    async def main() -> None:
        machine = Machine()
        worker = machine.worker()
        for act in (lambda permit: permit.sent(), lambda permit: permit.settle(Cost(tokens=3)), lambda _: None):
            with await machine.clock.drive(permitted(worker.limiter, place(), lambda: 0)) as permit:
                assert worker.desk._permits
                act(permit)
            await settle()
            assert not worker.desk._permits
        assert not worker.desk._waiting
        assert not worker.limiter._asked

    run(main())


def limited(**limits: Any) -> Ticket:
    """A place in a group without limits, for a caller with some of its own."""
    return structs.replace(place(Rate()), caller=Caller("søk-1", limits=CallerLimits(**limits)), price=PRICE)


def test_two_workers_share_what_a_caller_may_use() -> None:
    """A budget is counted once for all workers, its calls are settled by whichever made them, and dollars go along."""

    async def main() -> None:
        machine = Machine()
        one, two = machine.worker(), machine.worker()
        wanted = limited(tokens_per_day=100, usd_per_day=1.0)
        assert await one.limiter.check_affordable(wanted, Cost(2, 100, calls=2)) is None
        refusal = await one.limiter.check_affordable(wanted, Cost(2, 101, calls=2))
        assert refusal is not None
        assert (refusal.reason, refusal.limit) == (Reason.BUDGET, "tokens_per_day")
        first = await one.join(wanted, lambda: 60)
        second = await two.join(wanted, lambda: 30)
        for worker in (one, two):
            with pytest.raises(InferenceError, match=r"The key \[søk-1\] has a budget of \[100\] tokens_per_day"):
                await worker.join(wanted, lambda: 11)
        with first:
            first.sent()
            first.settle(Cost(tokens=40, calls=1))
        with second:
            second.sent()
            second.failed()
        await settle()
        (report,) = await two.limiter.callers(wanted.caller)
        assert {name: limit.used for name, limit in report.limits.items()} == {
            "tokens_per_day": 40,
            "usd_per_day": 0.04,
        }

    run(main())


def test_a_callers_requests_are_counted_over_all_workers() -> None:
    """Whichever worker it asks: a minute's requests at once, and the next where it is its turn, or a refusal."""

    async def main() -> None:
        machine = Machine()
        one, two = machine.worker(), machine.worker()
        wanted = limited(requests_per_minute=2)
        assert [await worker.limiter.admit(wanted) for worker in (one, two)] == [None, None]
        hasty = structs.replace(wanted, deadline=Deadline(machine.clock.monotonic() + 10))
        refusal = await two.limiter.admit(hasty)
        assert refusal is not None
        assert (refusal.limit, refusal.retry_after) == ("requests_per_minute", 30)
        waiting = asyncio.ensure_future(one.limiter.admit(wanted))
        await machine.clock.advance(29)
        assert not waiting.done()
        await machine.clock.advance(2)
        assert await waiting is None

    run(main())


def test_what_a_worker_that_is_gone_had_in_flight_stays_used() -> None:
    """It may have called: its budget is not given back, and nothing is held for it any more."""

    async def main() -> None:
        machine = Machine()
        one, two = machine.worker(), machine.worker()
        wanted = limited(tokens_per_day=100)
        await one.join(wanted, lambda: 60)
        one.desk.close()
        with pytest.raises(InferenceError) as caught:
            await two.join(wanted, lambda: 50)
        assert caught.value.retry_after == 12 * 3600
        await two.join(wanted, lambda: 40)

    run(main())


async def called(machine: Machine, worker: Worker, wanted: Ticket, times: int, every: float) -> list[float]:
    """How long each of so many calls waited, one after the other, *every* so many seconds."""
    waited: list[float] = []
    for _ in range(times):
        permit = worker.join(wanted)
        await machine.clock.advance(every)
        with await permit as held:
            held.sent()
            waited.append(held.waited)
    return waited


def asked_for(worker: Worker) -> int:
    """How many calls a worker has asked the supervisor for, one by one."""
    return sum(isinstance(message, Wanted) for message in worker.asked)


@pytest.mark.parametrize(
    ("rate", "one_by_one"),
    [
        (Rate(10**9), False),
        (Rate(), False),
        (Rate(6000, burst=100), True),  # a turn is worth more than asking for it
        (Rate(10**9, 10**9), True),  # what a call takes is not known before
    ],
)
def test_turns_of_a_fast_group_are_not_asked_for_one_by_one(rate: Rate, *, one_by_one: bool) -> None:
    """A worker that calls a group often is given turns ahead, where each takes less time than asking does."""

    async def main() -> None:
        machine = Machine()
        worker = machine.worker()
        assert sum(await called(machine, worker, place(rate), 100, 0.001)) == 0
        assert asked_for(worker) == 100 if one_by_one else asked_for(worker) < 30

    run(main())


def test_turns_ahead_are_within_the_limit() -> None:
    """Several workers that are given turns ahead make no more calls than their group may, but for a moment's."""

    async def main() -> None:
        machine = Machine()
        workers = [machine.worker() for _ in range(3)]
        wanted = place(Rate(1_200_000))  # twenty in a millisecond

        async def gone(several: int) -> int:
            """How many calls went in 50 ms, in each of which every worker wanted so many."""
            going: list[asyncio.Task[Permit]] = []
            for _ in range(50):
                going += [worker.join(wanted) for worker in workers for _ in range(several)]
                await machine.clock.advance(0.001)
            left = [task for task in going if not task.done()]
            for task in left:
                task.cancel()
            await settle()
            return len(going) - len(left)

        assert await gone(2) == 300
        assert sum(map(asked_for, workers)) < 280, "no turns were given ahead"
        assert 900 < await gone(12) <= 20 * (50 + len(workers)) + 1

    run(main())


def test_turns_ahead_are_used_at_once_or_not_at_all() -> None:
    """Whoever rests, or learns that the provider asks to wait, asks again before it calls."""

    async def main() -> None:
        machine = Machine()
        worker, wanted = machine.worker(), place(Rate(10**9))
        await called(machine, worker, wanted, 100, 0.001)
        before = asked_for(worker)
        await machine.clock.advance(1)
        await called(machine, worker, wanted, 1, 0.001)
        assert asked_for(worker) == before + 1
        await called(machine, worker, wanted, 100, 0.001)
        worker.limiter.pause("g", 5, "It was asked to wait")
        assert await called(machine, worker, wanted, 1, 5) == [pytest.approx(5)]

    run(main())


def test_a_turn_ahead_that_is_not_used_is_another_calls() -> None:
    """A call that was not sent gives its turn back, and no turn is left once the supervisor is gone."""

    async def main() -> None:
        machine = Machine()
        worker, wanted = machine.worker(), place(Rate(10**9))
        await called(machine, worker, wanted, 100, 0.001)
        before = asked_for(worker)
        for _ in range(1000):
            (await worker.join(wanted)).release()
        assert asked_for(worker) == before
        worker.limiter.lose()
        with pytest.raises(InferenceError):
            await worker.join(wanted)

    run(main())


def test_turns_ahead_are_not_for_callers_with_limits() -> None:
    """Each call of a caller with limits of its own is asked for, whatever others are given ahead."""

    async def main() -> None:
        machine = Machine()
        worker, wanted = machine.worker(), place(Rate())
        await called(machine, worker, wanted, 100, 0.001)
        before = asked_for(worker)
        theirs = limited(tokens_per_minute=10**9)
        await called(machine, worker, theirs, 10, 0.001)
        assert asked_for(worker) == before + 10

    run(main())
