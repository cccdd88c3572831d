from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest
from batches import Late
from clock import on_a_loop, settle
from hypothesis import given
from hypothesis import strategies as st
from turns import calls_waiting
from ways import BUSY, CUT, LIMITED, OK, Way
from world import HANG, Arrived

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply
from inferpoint.model.quota import Allowance, Bucket, Cost, Lane, Rate
from inferpoint.model.requests import RequestStats
from inferpoint.outbound.transport import UnreachableError


def retries(reason: str) -> str:
    return f'inferpoint_retries_total{{reason="{reason}",service="s"}}'


def test_a_good_answer_is_taken_at_once() -> None:
    """One call, one reply, no time."""
    way = Way(OK)
    assert way.send() == OK
    assert (len(way.provider.calls), way.clock.passed) == (1, 0)


@pytest.mark.parametrize(
    "failure", [BUSY, Reply(502), Reply(504), Reply(529), CUT, Arrived(200, [b"half", CUT])], ids=str
)
def test_a_failure_is_tried_three_times(failure: Any) -> None:
    """Two failures are got over, after pauses of up to one second and up to two; each try is signed anew."""
    way = Way(failure, failure, OK)
    assert way.send(final=lambda _: False) == OK
    assert len(way.provider.calls) == 3
    assert 0 < way.clock.passed <= 3
    assert len({call.headers["date"] for call in way.provider.calls}) == 3


def test_the_third_failure_is_the_answer() -> None:
    """After three tries the last reply, or the last error, is handed on as it is."""
    way = Way(CUT, BUSY, Reply(503, b"last"))
    assert way.send() == Reply(503, b"last")
    way = Way(CUT)
    with pytest.raises(InferenceError, match="cut"):
        way.send()
    assert len(way.provider.calls) == 3


def test_throttles_of_what_is_ingested_end_by_the_deadline_only() -> None:
    """A throttled call that nobody waits for goes back to the queue as often as its time allows."""
    way = Way(*[LIMITED] * 9, OK)
    assert way.send(lane=Lane.INGEST) == OK
    way = Way(LIMITED)
    assert way.send(seconds=30, lane=Lane.INGEST).status == 429
    assert 6 < way.clock.passed < 30
    assert len(way.provider.calls) > 3


@pytest.mark.parametrize("lane", [Lane.SEARCH, Lane.OTHER])
@pytest.mark.parametrize(("seconds", "most"), [(None, 10), (120, 10), (50, 10), (30, 6), (5, 1)])
@on_a_loop
async def test_who_waits_for_a_provider_that_throttles_hears_so_soon(
    lane: Lane, seconds: float | None, most: float
) -> None:
    """Within ten seconds or a fifth of the timeout the provider's refusal is the answer, with when to come again."""
    way = Way(Reply(429, b"slow down"))
    opened, _ = await way.clock.drive(way.outbound.open(way.outgoing(seconds, lane=lane)))
    reply = await opened.read()
    assert (reply.status, reply.body) == (429, b"slow down")
    assert 1 <= int(reply.headers["retry-after"]) <= 5
    assert way.clock.passed <= most


@pytest.mark.parametrize(("asked", "calls"), [(5, 2), (7, 1), (3600, 1)])
def test_a_pause_that_is_too_long_to_wait_for_is_told_at_once(asked: int, calls: int) -> None:
    """When the provider asks for more seconds than somebody bears to be throttled, they are told instead of waited."""
    way = Way(Reply(429, headers={"retry-after": str(asked)}), OK)
    reply = way.send(seconds=30)
    assert len(way.provider.calls) == calls
    assert (way.clock.passed, reply.headers) == ((5, {}) if calls == 2 else (0, {"retry-after": str(asked)}))


def test_a_good_reply_that_holds_an_error_is_what_the_error_is() -> None:
    """An error under a 200 is tried again, counted and handed on under the status that it stands for."""
    way = Way(Reply(200, b"busy"))
    assert way.send(judged=lambda reply: 503 if reply.body == b"busy" else reply.status) == Reply(503, b"busy")
    assert way.counted('inferpoint_provider_calls_total{service="s",status="503"}') == len(way.sent) == 3


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
@on_a_loop
async def test_an_answer_that_is_no_stream_is_read_whole_and_judged(content_type: str) -> None:
    """JSON in the place of events may be an error like any other, and is tried again before anything is handed on."""
    of_json = {"content-type": content_type}
    way = Way(Arrived(200, [b"bu", b"sy"], of_json), Arrived(200, [b"go", b"od"], of_json))
    outgoing = way.outgoing(judged=lambda reply: 503 if reply.body == b"busy" else reply.status)
    opened, _ = await way.clock.drive(way.outbound.open(outgoing))
    assert await opened.read() == Reply(200, b"good", of_json)
    assert all(each.closed for each in way.provider.arrived)


@pytest.mark.parametrize("status", [400, 401, 404, 413, 501, 505, 301])
def test_other_statuses_are_not_tried_again(status: int) -> None:
    """Only what a provider answers while it fails or has much to do is worth another try."""
    way = Way(Reply(status))
    assert way.send().status == status
    assert len(way.provider.calls) == 1


def test_other_errors_are_not_tried_again() -> None:
    """An address that may not be called is not asked twice, and says nothing of the provider."""
    way = Way(InferenceError(Kind.INVALID, "no"))
    for _ in range(6):
        with pytest.raises(InferenceError, match="no"):
            way.send()
    assert len(way.provider.calls) == 6


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("how", ["header", "final"])
def test_what_no_retry_will_change_is_not_tried_again(status: int, how: str) -> None:
    """Neither a provider that says so, nor a refusal known to be final; and nobody else waits for it."""
    headers = {"x-should-retry": "False"} if how == "header" else {}
    way = Way(Reply(status, b"no money", headers), OK)
    assert way.send(final=lambda reply: reply.body == b"no money" and how == "final").status == status
    assert way.send() == OK
    assert way.clock.passed == 0


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry-after": "7"}, 7), ({"retry-after-ms": "6200"}, 6.2), ({"retry-after": "0"}, None)],
)
def test_a_provider_is_waited_for_as_long_as_it_asks(
    status: int, headers: Mapping[str, str], seconds: float | None
) -> None:
    """Retry-After is honoured to the second; a provider that asks for nothing has the usual pause."""
    way = Way(Reply(status, headers=headers), OK)
    assert way.send() == OK
    assert way.clock.passed == pytest.approx(seconds) if seconds else 0 < way.clock.passed <= 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "seconds"), [({}, 6.2), ({"retry-after": "7"}, 7), ({"retry-after-ms": "1500"}, 1.5)]
)
def test_a_provider_may_ask_in_its_words(status: int, headers: Mapping[str, str], seconds: float) -> None:
    """What the body of a refusal tells is heeded as a header is, which goes before it; whoever asked is told both."""
    way = Way(Reply(status, b"in a while", headers), OK)
    assert way.send(asks=lambda reply: 6.2 if reply.body == b"in a while" else None) == OK
    assert way.clock.passed == pytest.approx(seconds)
    refused = Way(Reply(status, b"in a while", headers)).send(asks=lambda _: 6.2, seconds=0.0005)
    assert refused.headers == (headers or {"retry-after-ms": "6200"})


def test_nothing_is_tried_again_after_the_deadline() -> None:
    """A pause that would outlast the deadline is not begun: the caller hears at once what the provider said."""
    for status in (429, 503):
        way = Way(Reply(status, headers={"retry-after": "61"}), OK)
        assert way.send(seconds=60).headers["retry-after"] == "61"
        assert way.clock.passed == 0
    way = Way(CUT, OK)
    with pytest.raises(InferenceError):
        way.send(seconds=0)
    assert way.clock.passed == 0


@on_a_loop
async def test_a_throttle_pauses_the_whole_group() -> None:
    """Once one call was told to wait nobody of its group goes before, and the one that was told goes first."""
    way = Way(Reply(429, headers={"retry-after": "10"}), OK)
    first = way.sending(rate=Rate(60), prepare=lambda: Call("https://a.test/1"))
    await settle()
    others = [way.sending(rate=Rate(60), prepare=lambda: Call("https://a.test/2")) for _ in range(3)]
    await way.clock.advance(9.9)
    assert len(way.provider.calls) == 1
    await way.clock.advance(0.2)
    assert [call.url[-1] for call in way.provider.calls] == ["1", "1"]
    await way.clock.advance(3)
    assert (await first)[0] == OK
    assert all(each.done() for each in others)


@on_a_loop
async def test_a_throttled_call_is_charged_no_tokens() -> None:
    """What the provider refused it did not count; the turn that is handed on is the caller's to settle."""
    way = Way(Reply(429, headers={"retry-after-ms": "1"}), OK)
    reply, turn = await way.clock.drive(way.outbound.send(way.outgoing(rate=Rate(tokens=60), tokens=30)))
    assert (reply, way.clock.passed) == (OK, pytest.approx(0.001))
    turn.settle(Cost(tokens=10))
    await way.clock.drive(way.outbound.send(way.outgoing(rate=Rate(tokens=60))))
    assert way.clock.passed == pytest.approx(10, abs=0.1)


def test_what_a_provider_tells_of_its_limits_is_learnt() -> None:
    """Every reply's headers are read, and the limiter hears what they tell."""
    told = Allowance(requests=Bucket(limit=100, remaining=1, full_in=60))

    def quota(headers: Mapping[str, str], _now: datetime) -> Allowance:
        return told if "x-told" in headers else Allowance()

    way = Way(Reply(200, headers={"x-told": "1"}), OK)
    way.send(quota=quota)
    way.send(quota=quota)
    assert asyncio.run(way.limiter.groups())[0].told == told


def test_each_try_takes_a_place_in_the_queue() -> None:
    """A retry costs a turn like any other call, so that the limit holds."""
    way = Way(CUT, CUT, OK)
    way.send(rate=Rate(6))
    assert way.clock.passed == pytest.approx(20)


def test_a_call_is_prepared_once_when_its_turn_has_come() -> None:
    """Until then it may grow; the tries after the first send the same."""
    way = Way(CUT, OK, OK)
    moments: list[float] = []

    def prepare() -> Call:
        moments.append(way.clock.passed)
        return Call("https://a.test/")

    way.send(rate=Rate(6))
    way.send(rate=Rate(6), prepare=prepare)
    assert moments == [pytest.approx(20)]


def test_a_call_that_cannot_be_prepared_leaves_no_gap() -> None:
    """Its turn is given back: the next goes at once."""
    way = Way(OK)

    def impossible() -> Call:
        raise InferenceError(Kind.INVALID, "impossible")

    with pytest.raises(InferenceError, match="impossible"):
        way.send(rate=Rate(1), prepare=impossible)
    assert way.send(rate=Rate(1)) == OK
    assert way.clock.passed == 0


@on_a_loop
async def test_a_stream_is_handed_on_when_it_begins() -> None:
    """Opening tries again like sending, and closes what it does not hand on."""
    way = Way(Arrived(503, [b"busy"]), Arrived(200, [b"a", HANG]))
    arriving, _ = await way.clock.drive(way.outbound.open(way.outgoing()))
    assert arriving.status == 200
    assert [each.closed for each in way.provider.arrived] == [True, False]


@on_a_loop
async def test_a_stream_that_is_refused_is_there_whole() -> None:
    """Whether it is final is in its body; a body that breaks off leaves the status."""
    way = Way(Arrived(429, [b"no money"], {"a": "b"}), Arrived(400, [b"half", CUT]))
    opened, _ = await way.outbound.open(way.outgoing(final=lambda reply: reply.body == b"no money"))
    assert await opened.read() == Reply(429, b"no money", {"a": "b"})
    opened, _ = await way.outbound.open(way.outgoing())
    assert await opened.read() == Reply(400)
    assert all(each.closed for each in way.provider.arrived)


@pytest.mark.parametrize("act", ["send", "open"])
@pytest.mark.parametrize("status", [429, 503])
@on_a_loop
async def test_who_leaves_while_a_retry_waits_leaves_no_connection(act: str, status: int) -> None:
    """The reply that is going to be tried again is closed also when its caller leaves during the pause."""
    way = Way(Arrived(status, [b"busy"], {"retry-after": "5"}), OK)
    task = asyncio.ensure_future(getattr(way.outbound, act)(way.outgoing()))
    await settle()
    assert way.clock.alarms == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(way.provider.calls) == 1
    assert way.provider.arrived[0].closed
    assert way.clock.alarms == 0


@on_a_loop
async def test_who_leaves_in_the_middle_of_a_body_closes_it() -> None:
    """A reply whose caller leaves while it is read is closed at once."""
    way = Way(Arrived(200, [b"half", HANG]))
    task = way.sending()
    await settle()
    assert not way.provider.arrived[0].closed
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert way.provider.arrived[0].closed


def test_every_call_is_counted() -> None:
    """Each try counts by its status; one without a reply has the status 0; each retry has its reason."""
    way = Way(CUT, BUSY, LIMITED, OK)
    way.send()
    for status in (0, 503, 429, 200):
        assert way.counted(f'inferpoint_provider_calls_total{{service="s",status="{status}"}}') == 1
    for reason in ("unreachable", "server_error", "throttled"):
        assert way.counted(retries(reason)) == 1
    assert way.counted('inferpoint_breaker{address="https://a.test",group="g",state="closed"}') == 1
    assert way.counted("inferpoint_retry_budget") == pytest.approx(7, abs=1)


def test_how_long_calls_take_is_measured() -> None:
    """Each call's time at the provider, to the end of its body."""
    way = Way(OK)
    for seconds in (2, 5):
        way.provider.answer = lambda _, seconds=seconds: Late(way.clock, seconds, OK)
        way.send()
    measured = "inferpoint_provider_call_seconds_{}"
    assert (way.counted(measured.format("count")), way.counted(measured.format("sum"))) == (2, pytest.approx(7))


@on_a_loop
async def test_a_journey_says_where_the_time_went() -> None:
    """Attempts are counted; waiting and the provider have each their own time, which together are all of it."""
    stats = RequestStats()
    way = Way(Reply(503, headers={"retry-after": "4"}), OK)
    slow = way.provider.send

    async def send(call: Call) -> Arrived:
        await way.clock.sleep(3)
        return await slow(call)

    way.provider.send = send
    await way.clock.drive(way.outbound.send(way.outgoing(stats=stats)))
    assert (stats.calls, stats.attempts) == (1, 2)
    assert (stats.queued, stats.upstream) == (pytest.approx(4), pytest.approx(6))
    total = RequestStats(calls=2, attempts=2, queued=5, upstream=1, known=3)
    total.add(stats)
    assert (total.calls, total.attempts, total.known) == (3, 4, 3)
    assert (total.queued, total.upstream) == (5, pytest.approx(6))


def test_an_empty_budget_makes_no_retry() -> None:
    """The caller hears what the provider said; but a throttled call is still only put back into the queue."""
    way = Way(BUSY, BUSY, OK, LIMITED, OK)
    while way.budgets.spend("g"):
        pass
    for _ in range(2):
        assert way.send() == BUSY
    assert way.counted(retries("budget")) == 2
    assert way.send() == OK
    assert way.send() == OK
    assert way.counted(retries("throttled")) == 1


@on_a_loop
async def test_an_address_that_fails_is_not_called() -> None:
    """After five failures in a row nothing is sent: who has no time hears why, who has waits for one that tries."""
    way = Way(*[Reply(500)] * 5, OK)
    for _ in range(5):
        await way.outbound.send(way.outgoing())
    with pytest.raises(InferenceError, match=r"\[https://a\.test\] is not called now") as caught:
        await way.outbound.send(way.outgoing(seconds=0.5))
    assert (caught.value.kind, caught.value.retry_after) == (Kind.OVERLOADED, 1.0)
    waiting = [way.sending(rate=Rate(1), seconds=90) for _ in range(2)]
    elsewhere = way.sending(prepare=lambda: Call("https://b.test/"))
    await way.clock.advance(0.9)
    assert (len(way.provider.calls), elsewhere.done()) == (6, True)
    await way.clock.advance(0.2)
    assert [each.done() for each in waiting] == [True, False]
    await way.clock.advance(60)
    assert [(await each)[0] for each in waiting] == [OK, OK]


@pytest.mark.parametrize(
    ("failure", "others"), [(Reply(500), True), (CUT, True), (UnreachableError("nobody there"), False)], ids=str
)
@on_a_loop
async def test_who_else_is_held_back_depends_on_what_failed(failure: Any, others: bool) -> None:
    """A group whose calls fail, or are cut off, holds back itself alone; where nobody is reached nobody calls."""
    way = Way(answer=lambda call: OK if call.url.endswith("/other") and others else failure)
    for _ in range(2):
        with suppress(InferenceError):
            await way.clock.drive(way.outbound.send(way.outgoing(seconds=8, final=lambda _: False)))
    with pytest.raises(InferenceError, match="is not called now"):
        await way.outbound.send(way.outgoing(seconds=0.5))
    other = way.outgoing(seconds=0.5, group="other", prepare=lambda: Call("https://a.test/other"))
    if others:
        assert (await way.outbound.send(other))[0] == OK
    else:
        with pytest.raises(
            InferenceError, match=r"\[https://a\.test\] is not called now, because it cannot be reached"
        ):
            await way.outbound.send(other)


@on_a_loop
async def test_a_slot_that_an_open_breaker_makes_useless_is_not_lost() -> None:
    """Calls that find their address failing give their turns back: those of other addresses go at once."""
    way = Way(*[Reply(500)] * 5, OK)
    for _ in range(5):
        await way.outbound.send(way.outgoing())
    waiting = way.sending(rate=Rate(1))
    await settle()
    elsewhere = way.sending(rate=Rate(1), prepare=lambda: Call("https://b.test/"))
    await settle()
    assert elsewhere.done()
    waiting.cancel()


@pytest.mark.parametrize(("seconds", "left", "state"), [(6, 6, "open"), (6, 5.9, "closed"), (1, 1, "closed")])
@on_a_loop
async def test_a_provider_that_lets_deadlines_pass_has_failed(seconds: float, left: float, state: str) -> None:
    """A call that ends at its deadline counts against the provider; one whose caller left or was in a hurry not."""
    way = Way(Arrived(200, [HANG]))
    tasks = [way.sending(seconds=seconds) for _ in range(5)]
    await way.clock.advance(left)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert way.states == {"g": state, "": "closed"}


@given(st.lists(st.sampled_from([OK, OK, OK, BUSY, CUT, Reply(500)]), min_size=1, max_size=60), st.integers(1, 40))
@on_a_loop
async def test_however_a_provider_fails_retries_are_few_and_every_caller_is_answered(
    answers: list[Any], callers: int
) -> None:
    """A tenth more, the reserve, and one for each ten seconds; nobody waits for ever, nobody is left in a queue."""
    way = Way(*answers, OK)
    stats = RequestStats()
    tasks = [way.sending(stats=stats, seconds=number) for number in range(callers)]
    for _ in range(100):
        await way.clock.advance(1)
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, tuple | InferenceError) for end in ends)
    assert stats.attempts == len(way.provider.calls)
    assert stats.attempts - stats.calls <= stats.calls / 10 + 10 + way.clock.passed / 10
    assert (await calls_waiting(way.limiter), way.clock.alarms) == (0, 0)


@given(st.integers(0, 2**60), st.integers(5, 30))
@on_a_loop
async def test_while_a_breaker_is_open_one_call_at_most_is_on_its_way(chances: int, callers: int) -> None:
    """Callers who come and leave at random never send a second probe, and never keep the address from being tried."""
    way = Way(answer=lambda _: Reply(500) if len(way.provider.calls) < callers else OK)
    sent = way.provider.send
    going = 0

    async def send(call: Call) -> Arrived:
        nonlocal going
        going += 1
        assert going == 1 or way.states["g"] == "closed"
        try:
            await way.clock.sleep(0.5)
            return await sent(call)
        finally:
            going -= 1

    for _ in range(5):
        await way.outbound.send(way.outgoing())
    way.provider.send = send
    tasks = [way.sending(seconds=None) for _ in range(callers)]
    for number in range(60):
        if chances >> number & 1 and number < callers - 1:
            tasks[number].cancel()
        await way.clock.advance(0.7)
    last = way.sending(seconds=None)
    await way.clock.advance(30 * callers)  # the longest that each try which fails keeps it open
    assert last.done()
    assert all(
        isinstance(end, tuple | asyncio.CancelledError) for end in await asyncio.gather(*tasks, return_exceptions=True)
    )
