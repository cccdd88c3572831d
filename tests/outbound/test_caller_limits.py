"""A caller's own limits: what goes when, what is refused, and that every token is counted once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from clock import FakeClock, on_a_loop, settle
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.calls.refusals import refused
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.budgets import LimitReport, Spent
from inferpoint.model.caller_limits import CallerLimits
from inferpoint.model.deadline import NEVER, Deadline
from inferpoint.model.price import Price
from inferpoint.model.quota import Cost, Rate
from inferpoint.model.requests import ANONYMOUS, Caller
from inferpoint.outbound.caller_limits import limiting_callers
from inferpoint.outbound.spending import KEPT_AFTER, Spending
from inferpoint.outbound.ticket import Permit, Reason, Refusal, Ticket

NOON_TO_MIDNIGHT = 43_200.0
EMBEDDING = Price(usd_per_million_input_tokens=1000.0)  # a thousandth of a dollar a token
CHAT = Price(usd_per_million_input_tokens=1000.0, usd_per_million_output_tokens=2000.0)


class Server:
    """A limiter of all callers on a clock that stands still, and what is written down of their use."""

    def __init__(self, spent: Any = (), clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.kept: list[Spent] = []
        self.spending = Spending(self.clock, spent, self.kept.extend)
        self.limiter = limiting_callers(self.clock, self.spending)

    def used(self, caller: str, limit: str) -> float:
        """What *caller* has used of a limit of its own."""
        return self.report(caller)[limit].used

    def report(self, caller: str) -> Mapping[str, LimitReport]:
        assert self.limiter._callers
        (report,) = [one for one in self.limiter._callers.reports(ANONYMOUS) if one.caller == caller]
        return report.limits

    async def call(self, wanted: Ticket, cost: Cost) -> Permit:
        permit = await self.limiter.permit(wanted, lambda: cost)
        if isinstance(permit, Refusal):
            raise refused(permit, wanted, "e")
        return permit

    async def spend(self, wanted: Ticket, expected: Cost, counted: Cost | None = None) -> None:
        """One whole call: its permit, its answer, what its provider counted."""
        with await self.call(wanted, expected) as permit:
            permit.sent()
            if counted is not None:
                permit.settle(counted)


def ticket(price: Price | None = None, deadline: float | None = None, name: str = "key-1", **limits: Any) -> Ticket:
    """A place to wait for a caller with *limits*, in a group that has none."""
    caller = Caller(name, limits=CallerLimits(**limits))
    until = NEVER if deadline is None else Deadline(deadline, 30.0)
    return Ticket("g", Rate(), caller, service="s", deadline=until, endpoint="e", price=price)


def tokens(count: int, output: int = 0) -> Cost:
    return Cost(tokens=count, output=output, calls=1)


@on_a_loop
async def test_a_minutes_requests_may_come_at_once() -> None:
    """After a rest a caller may ask as often as in a minute, then once an interval; others are not held up."""
    server, times = Server(), list[float]()

    async def ask(wanted: Ticket) -> None:
        assert await server.limiter.admit(wanted) is None
        times.append(server.clock.passed)

    asked = [asyncio.ensure_future(ask(ticket(requests_per_minute=3))) for _ in range(5)]
    await server.clock.advance(15)
    assert times == [0, 0, 0]
    asked.append(asyncio.ensure_future(ask(ticket(name="key-2", requests_per_minute=1))))
    await server.clock.advance(30)
    await asyncio.gather(*asked)
    assert times == [0, 0, 0, 15, 20, 40]


@on_a_loop
async def test_who_could_not_ask_in_time_is_told_which_limit_and_when_to_come_again() -> None:
    """The answer is a 429 of the key, by its public id, at once and not after the timeout."""
    server = Server()
    wanted = ticket(requests_per_minute=2, deadline=server.clock.monotonic() + 20)
    assert [await server.limiter.admit(wanted) for _ in range(2)] == [None, None]
    refusal = await server.limiter.admit(wanted)
    assert refusal is not None
    error = refused(refusal, wanted, "e")
    assert (error.kind, error.whose_limit, error.retry_after) == (Kind.RATE_LIMITED, "key", 30)
    assert str(error) == (
        "The key [key-1] has [2] requests_per_minute, and its turn is in [30s], after the timeout of the request"
    )


@on_a_loop
async def test_tokens_a_minute_are_settled_to_what_was_counted() -> None:
    """A minute's tokens may go at once; what a call cost less than was thought is there for the next one."""
    server, wanted = Server(), ticket(tokens_per_minute=60)
    await server.spend(wanted, tokens(60), tokens(20))
    await server.spend(wanted, tokens(30), tokens(39))
    assert server.used("key-1", "tokens_per_minute") == 59
    await server.spend(wanted, tokens(11))
    waiting = asyncio.ensure_future(server.spend(wanted, tokens(1)))
    await server.clock.advance(10.9)
    assert not waiting.done()
    await server.clock.advance(0.2)
    assert waiting.done()


@dataclass(frozen=True)
class Ask:
    """A request that comes *after* so many seconds, whose calls take so many *tokens*."""

    after: float
    tokens: int


ASKS = st.lists(st.builds(Ask, st.floats(0, 20), st.integers(1, 50)), min_size=1, max_size=30)


@given(ASKS, st.integers(1, 30), st.integers(1, 200))
def test_no_window_holds_more_than_a_limit_and_a_minutes_worth(asks: list[Ask], requests: int, most: int) -> None:
    """In any w seconds a caller has no more than limit · w + one minute's worth, and of tokens the last call whole."""
    server, admitted, spent = Server(), list[float](), list[tuple[float, int]]()
    wanted = ticket(requests_per_minute=requests, tokens_per_minute=most)

    async def ask(count: int) -> None:
        assert await server.limiter.admit(wanted) is None
        admitted.append(server.clock.passed)
        await server.spend(wanted, tokens(count))
        spent.append((server.clock.passed, count))

    async def main() -> None:
        going: list[asyncio.Task[None]] = []
        for one in asks:
            await server.clock.advance(one.after)
            going.append(asyncio.ensure_future(ask(one.tokens)))
        await server.clock.advance(60 * (len(asks) + sum(one.tokens for one in asks)))
        await asyncio.gather(*going)

    asyncio.run(main())
    slack = 1e-6
    for begin, first in enumerate(admitted):
        for count, last in enumerate(admitted[begin:], 1):
            assert count <= requests * (last - first) / 60 + requests + slack
    for begin, (first, _) in enumerate(spent):
        for end, (last, _) in enumerate(spent[begin:], begin):
            before = sum(count for _, count in spent[begin:end])
            assert before <= most * (last - first) / 60 + most + slack
    assert all(one <= two for one, two in pairwise(admitted))


@on_a_loop
async def test_a_budget_is_used_by_what_was_counted_and_then_refused() -> None:
    """What is left may be used to the last token; then the key's 429 tells of the budget and of its end."""
    server, wanted = Server(), ticket(tokens_per_day=100, tokens_per_month=1000)
    await server.spend(wanted, tokens(90), tokens(60))
    await server.spend(wanted, tokens(40), tokens(40))
    assert server.used("key-1", "tokens_per_day") == 100
    with pytest.raises(InferenceError) as caught:
        await server.spend(wanted, tokens(1))
    error = caught.value
    assert (error.kind, error.whose_limit, error.retry_after) == (Kind.RATE_LIMITED, "key", NOON_TO_MIDNIGHT)
    assert str(error) == (
        "The key [key-1] has a budget of [100] tokens_per_day, and this call would take more than is left of it:"
        " there may be room in [12h]"
    )
    await server.clock.advance(NOON_TO_MIDNIGHT)
    await server.spend(wanted, tokens(70))
    assert (server.used("key-1", "tokens_per_day"), server.used("key-1", "tokens_per_month")) == (70, 170)


@on_a_loop
async def test_calls_in_flight_hold_what_they_may_take() -> None:
    """Calls at once do not share the same rest; who is refused for their sake may come again soon."""
    server, wanted = Server(), ticket(tokens_per_day=100)
    first = await server.call(wanted, tokens(80))
    refusal = await server.limiter.permit(wanted, lambda: tokens(30))
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.retry_after) == (Reason.BUDGET, 1.0)
    with first:
        first.sent()
        first.settle(tokens(50))
    await server.spend(wanted, tokens(30))
    assert server.used("key-1", "tokens_per_day") == 80


@on_a_loop
async def test_what_a_model_may_write_is_held_but_not_refused() -> None:
    """A guess at what is written stops nobody who has something left, and others know of it."""
    server, wanted = Server(), ticket(tokens_per_day=100)
    first = await server.call(wanted, tokens(270, output=256))
    assert isinstance(await server.limiter.permit(wanted, lambda: tokens(270, output=256)), Refusal)
    with first:
        first.sent()
        first.settle(tokens(24, output=10))
    assert server.used("key-1", "tokens_per_day") == 24


@pytest.mark.parametrize("how", ["not sent", "failed", "refused", "sent", "cancelled in the queue"])
@on_a_loop
async def test_what_nobody_is_paid_for_costs_nothing(how: str) -> None:
    """A call that was given up before it went, that failed or was refused is free; one that went is not."""
    server, wanted = Server(), ticket(tokens_per_day=100, tokens_per_minute=100)
    if how == "cancelled in the queue":
        slow = Ticket("slow", Rate(1), wanted.caller)
        await server.spend(slow, tokens(0))
        waiting = asyncio.ensure_future(server.call(slow, tokens(50)))
        await settle()
        waiting.cancel()
        await settle()
    else:
        with await server.call(wanted, tokens(50)) as permit:
            if how != "not sent":
                permit.sent()
            if how == "failed":
                permit.failed()
            if how == "refused":
                permit.settle(Cost())
    cost = 50 if how == "sent" else 0
    assert server.used("key-1", "tokens_per_day") == cost
    assert server.used("key-1", "tokens_per_minute") == pytest.approx(cost, abs=1)


@on_a_loop
async def test_a_budget_in_dollars_is_used_by_the_price_of_the_endpoint() -> None:
    """Every endpoint is counted at its own price, exactly; one without a price is not called."""
    server = Server()
    embedding, chat = ticket(EMBEDDING, usd_per_day=1.0), ticket(CHAT, usd_per_day=1.0)
    await server.spend(embedding, tokens(100), tokens(300))
    await server.spend(chat, tokens(100, output=50), tokens(200, output=150))
    assert server.used("key-1", "usd_per_day") == pytest.approx(0.3 + 0.05 + 0.3)
    with pytest.raises(InferenceError) as caught:
        await server.spend(embedding, tokens(351))
    assert (caught.value.kind, "[1.0] usd_per_day" in str(caught.value)) == (Kind.RATE_LIMITED, True)
    with pytest.raises(InferenceError) as caught:
        await server.spend(ticket(usd_per_day=1.0), tokens(1))
    assert caught.value.kind is Kind.FORBIDDEN
    assert str(caught.value) == "The key [key-1] has a budget of [1] usd_per_day, and the endpoint [e] has no [price]"
    await server.spend(embedding, tokens(350))
    assert server.used("key-1", "usd_per_day") == 1.0


@on_a_loop
async def test_what_costs_nothing_needs_no_budget() -> None:
    """A question to a provider that nobody is paid for is asked also when nothing is left."""
    server, wanted = Server(), ticket(tokens_per_day=10, usd_per_day=1.0)
    await server.spend(ticket(EMBEDDING, tokens_per_day=10), tokens(10), tokens(20))
    await server.spend(wanted, Cost())


@on_a_loop
async def test_use_is_written_down_within_a_second_and_goes_on_from_there() -> None:
    """Whole figures are kept after each second with a change, and a server that begins with them goes on."""
    server, wanted = Server(), ticket(tokens_per_day=100, name="søk-团队")
    for _ in range(3):
        await server.spend(wanted, tokens(20))
    assert server.kept == []
    await server.clock.advance(KEPT_AFTER)
    assert server.kept == [("søk-团队", "2026-11-20", (60, 0)), ("søk-团队", "2026-11", (60, 0))]
    await server.clock.advance(10)
    assert len(server.kept) == 2
    old = [Spent("søk-团队", "2026-11-19", server.kept[0].amount)]
    again = Server([*server.kept, *old], server.clock)
    with pytest.raises(InferenceError):
        await again.spend(wanted, tokens(41))
    await again.spend(wanted, tokens(40))
    assert again.used("søk-团队", "tokens_per_day") == 100


@on_a_loop
async def test_a_call_counts_for_the_day_on_which_it_began() -> None:
    """What is settled after midnight is settled where it was charged."""
    server, wanted = Server(), ticket(tokens_per_day=100)
    permit = await server.call(wanted, tokens(80))
    permit.sent()
    await server.clock.advance(NOON_TO_MIDNIGHT + 1)
    await server.spend(wanted, tokens(10))
    permit.settle(tokens(90))
    permit.release()
    await server.clock.advance(KEPT_AFTER)
    kept = {(one.caller, one.period): one.amount.tokens for one in server.kept}
    assert kept == {("key-1", "2026-11-20"): 90, ("key-1", "2026-11-21"): 10, ("key-1", "2026-11"): 100}
    assert server.used("key-1", "tokens_per_day") == 10


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 90)), max_size=20), st.integers(1, 300))
def test_a_budget_is_passed_only_by_what_calls_cost_beyond_their_estimate(
    calls: list[tuple[int, int]], budget: int
) -> None:
    """Whatever goes at the same time: what was counted is what is used, and estimates keep within the budget."""
    server, wanted, counted = Server(), ticket(tokens_per_day=budget), 0
    beyond = 0

    def end(going: list[tuple[Permit, int]]) -> None:
        while going:
            permit, real = going.pop()
            permit.settle(tokens(real))
            permit.release()

    async def main() -> None:
        nonlocal counted, beyond
        going: list[tuple[Permit, int]] = []
        for number, (expected, real) in enumerate(calls):
            permit = await server.limiter.permit(wanted, partial(tokens, expected))
            if isinstance(permit, Permit):
                permit.sent()
                going.append((permit, real))
                counted, beyond = counted + real, beyond + max(0, real - expected)
            if number % 3 == 0:
                end(going)
        end(going)

    asyncio.run(main())
    assert counted <= budget + beyond
    assert not calls or server.used("key-1", "tokens_per_day") == counted


@on_a_loop
async def test_everybody_else_is_not_counted() -> None:
    """A caller without limits goes as before, and is not told of."""
    server = Server()
    await server.spend(Ticket("g", Rate(), ANONYMOUS), tokens(1000))
    await server.clock.advance(KEPT_AFTER)
    assert (await server.limiter.callers(ANONYMOUS), server.kept) == ([], [])
