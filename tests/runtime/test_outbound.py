from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from clock import NOON, FakeClock, settle
from hypothesis import given
from hypothesis import strategies as st
from world import HANG, Arrived, Provider, in_turn

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply
from inferpoint.model.inference import ANONYMOUS
from inferpoint.model.quota import Rate
from inferpoint.runtime.limiter import Limiter, Place
from inferpoint.runtime.outbound import Outbound, Outgoing, asked_to_wait, pause
from inferpoint.runtime.telemetry import Telemetry

OK, BUSY, LIMITED = Reply(200, b"ok"), Reply(503), Reply(429)
CUT = InferenceError(Kind.CUT_OFF, "cut")


class Way:
    """A way out on a clock of its own, to a provider that answers what a test says."""

    def __init__(self, *answers: Any) -> None:
        self.clock = FakeClock()
        self.provider = Provider(in_turn(*answers))
        self.limiter = Limiter(self.clock)
        self.telemetry = Telemetry(self.limiter.groups, lambda _: None)
        self.outbound = Outbound({"https": self.provider}, self.limiter, self.clock, self.telemetry)

    def send(self, **more: Any) -> Reply:
        return asyncio.run(self.clock.drive(self.outbound.send(outgoing(**more))))


def outgoing(seconds: float | None = 60, rate: int | None = None) -> Outgoing:
    place = Place("g", Rate(rate), ANONYMOUS, "e", deadline=None if seconds is None else 1000 + seconds)
    call = Call("HTTPS://a.test/")
    return Outgoing("s", call, lambda it, now: it.with_headers({"date": str(now)}), place, frozenset({429, 503}))


def test_a_good_answer_is_taken_at_once() -> None:
    """One call, one reply, no time."""
    way = Way(OK)
    assert way.send() == OK
    assert (len(way.provider.calls), way.clock.passed) == (1, 0)


@pytest.mark.parametrize("failure", [BUSY, LIMITED, CUT])
def test_what_is_worth_another_try_is_tried_three_times(failure: Any) -> None:
    """Two failures are got over, after pauses of half to one second and of one to two; each try is signed anew."""
    way = Way(failure, failure, OK)
    assert way.send() == OK
    assert len(way.provider.calls) == 3
    assert 1.5 <= way.clock.passed <= 3
    assert len({call.headers["date"] for call in way.provider.calls}) == 3


def test_the_third_failure_is_the_answer() -> None:
    """After three tries the last reply, or the last error, is handed on as it is."""
    way = Way(BUSY, BUSY, LIMITED)
    assert way.send() == LIMITED
    way = Way(CUT)
    with pytest.raises(InferenceError, match="cut"):
        way.send()
    assert len(way.provider.calls) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500, 502, 301])
def test_other_statuses_are_not_tried_again(status: int) -> None:
    """What the task does not name as worth another try is the answer."""
    way = Way(Reply(status))
    assert way.send().status == status
    assert len(way.provider.calls) == 1


def test_other_errors_are_not_tried_again() -> None:
    """An address that may not be called is not asked twice."""
    way = Way(InferenceError(Kind.INVALID, "no"))
    with pytest.raises(InferenceError, match="no"):
        way.send()
    assert len(way.provider.calls) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after-ms": "4200"}, 4.2),
        ({"retry-after-ms": "3000", "retry-after": "9"}, 3),
        ({"retry-after": format_datetime(NOON + timedelta(seconds=11), usegmt=True)}, 11),
    ],
)
def test_a_provider_is_waited_for_as_long_as_it_asks(headers: Mapping[str, str], seconds: float) -> None:
    """Every form of Retry-After is honoured, to the second."""
    way = Way(Reply(429, headers=headers), OK)
    assert way.send() == OK
    assert way.clock.passed == pytest.approx(seconds, abs=1e-6)


def test_a_pause_is_never_shorter_than_usual() -> None:
    """A provider that asks for nothing, or for the past, is still not hammered."""
    for headers in ({"retry-after": "0"}, {"retry-after": format_datetime(NOON - timedelta(days=1), usegmt=True)}):
        way = Way(Reply(429, headers=headers), OK)
        way.send()
        assert way.clock.passed >= 0.5


def test_nothing_is_tried_again_after_the_deadline() -> None:
    """A pause that would outlast the deadline is not begun: the caller hears at once what the provider said."""
    way = Way(Reply(429, headers={"retry-after": "61"}), OK)
    assert way.send(seconds=60).status == 429
    assert way.clock.passed == 0
    way = Way(CUT, OK)
    with pytest.raises(InferenceError):
        way.send(seconds=0.1)
    assert way.clock.passed == 0


def test_each_try_takes_a_place_in_the_queue() -> None:
    """A retry costs a turn like any other call, so that the limit holds."""
    way = Way(CUT, CUT, OK)
    way.send(rate=6)
    assert way.clock.passed == pytest.approx(20)


def test_a_stream_is_handed_on_when_it_begins() -> None:
    """Opening tries again like sending, and closes what it does not hand on."""
    way = Way(Arrived(503, [b"busy"]), Arrived(200, [b"a", HANG]))
    arriving = asyncio.run(way.clock.drive(way.outbound.open(outgoing())))
    assert arriving.status == 200
    assert [each.closed for each in way.provider.arrived] == [True, False]


@pytest.mark.parametrize("act", ["send", "open"])
def test_who_leaves_while_a_retry_waits_leaves_no_connection(act: str) -> None:
    """The reply that is going to be tried again is closed also when its caller leaves during the pause."""

    async def main() -> None:
        way = Way(Arrived(503, [b"busy"]), OK)
        task = asyncio.ensure_future(getattr(way.outbound, act)(outgoing()))
        await settle()
        assert way.clock.alarms == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert len(way.provider.calls) == 1
        assert act == "send" or way.provider.arrived[0].closed
        assert way.clock.alarms == 0

    asyncio.run(main())


def test_who_leaves_in_the_middle_of_a_body_closes_it() -> None:
    """A reply whose caller leaves while it is read is closed at once."""

    async def main() -> None:
        way = Way(Arrived(200, [b"half", HANG]))
        task = asyncio.ensure_future(way.outbound.send(outgoing()))
        await settle()
        assert not way.provider.arrived[0].closed
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert way.provider.arrived[0].closed

    asyncio.run(main())


def test_every_call_is_counted() -> None:
    """Each try counts by its status; one without a reply has the status 0."""
    way = Way(CUT, BUSY, OK)
    way.send()
    said = asyncio.run(way.telemetry.exposition()).decode()
    for status in (0, 503, 200):
        assert f'inferpoint_provider_calls_total{{service="s",status="{status}"}} 1.0' in said


@given(st.integers(1, 10), st.floats(0, 100), st.floats(0, 1))
def test_pauses_stay_in_their_bounds(attempt: int, asked: float, chance: float) -> None:
    """A pause doubles up to five seconds, with jitter in its upper half, and is at least what was asked for."""
    bound = min(5.0, 2.0 ** (attempt - 1))
    found = pause(attempt, asked, lambda low, high: low + (high - low) * chance)
    assert max(bound / 2, asked) <= found <= max(bound, asked)


ODD = ["²", "9" * 400, "inf", "nan", "-1", "Mon, 99 Jan 2026 00:00:00 GMT", "1 2 3 4 5"]


@given(
    st.text() | st.sampled_from(ODD),
    st.booleans(),
)
def test_any_retry_after_is_a_number_of_seconds(text: str, milliseconds: bool) -> None:
    """Whatever a provider writes there, it is a time that can be told to a caller, or none."""
    found = asked_to_wait({"retry-after-ms" if milliseconds else "retry-after": text}, NOON)
    assert 0 <= found < math.inf
