from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from clock import FakeClock, on_a_loop, settle
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.calls.refusals import refused as worded
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.deadline import NEVER, Deadline
from inferpoint.model.http import address
from inferpoint.model.quota import Rate
from inferpoint.model.requests import ANONYMOUS
from inferpoint.outbound.breaker import Breaker, BreakerPermit
from inferpoint.outbound.ticket import Reason, Refusal, Ticket

HERE = "https://a.test:443"


class Door:
    """A breaker on a clock of its own."""

    def __init__(self, capacity: int = 2000) -> None:
        self.clock = FakeClock()
        self.breaker = Breaker(HERE, Reason.BROKEN, self.clock, capacity)

    @property
    def state(self) -> str:
        return self.breaker.state.shown

    def passage(self, turn: str = "") -> BreakerPermit:
        passage = self.breaker.at_once(turn)
        assert passage is not None
        return passage

    def outcomes(self, failed: Iterable[bool]) -> None:
        for each in failed:
            self.passage().ended(failed=each)

    def wait(self, seconds: float | None = None, turn: str = "") -> asyncio.Task[BreakerPermit]:
        """Somebody who wants to call within *seconds*."""
        at = None if seconds is None else self.clock.monotonic() + seconds
        return asyncio.ensure_future(self._enter(turn, NEVER if at is None else Deadline(at)))

    async def _enter(self, turn: str, deadline: Deadline) -> BreakerPermit:
        permit = await self.breaker.enter(turn, lambda: deadline)
        if isinstance(permit, Refusal):
            raise worded(permit, Ticket("g", Rate(), ANONYMOUS), "e")
        return permit


async def refused(waiting: asyncio.Task[BreakerPermit]) -> InferenceError:
    with pytest.raises(InferenceError) as caught:
        await waiting
    assert caught.value.kind is Kind.OVERLOADED
    return caught.value


@pytest.mark.parametrize(
    ("failed", "state"),
    [
        ([True] * 4, "closed"),
        ([True] * 5, "open"),
        ([True] * 4 + [False] + [True] * 4, "closed"),
        ([True] * 4 + [False, False] + [True] * 4, "open"),
        ([True, False] * 4, "closed"),
        ([True, False] * 4 + [False, True], "open"),
        ([True, False] * 5, "closed"),
        ([True, False] * 5 + [True], "open"),
        ([True, False, False] * 7, "closed"),
        ([False] * 100 + [True] * 4 + [False] + [True] * 4, "closed"),
        ([False] * 100 + [True, True, True, False] * 4, "open"),
    ],
)
@on_a_loop
async def test_it_opens_by_five_in_a_row_or_half_of_the_last_twenty(failed: list[bool], state: str) -> None:
    """A failure opens it that is the fifth in a row, or with which half of the last twenty have failed, or of ten."""
    door = Door()
    for each in failed:
        if door.state != "open":
            door.outcomes([each])
    assert door.state == state


@on_a_loop
async def test_while_it_is_open_who_cannot_be_in_time_is_refused_at_once() -> None:
    """The error names the address and says when to come again; no time passes."""
    door = Door()
    door.outcomes([True] * 5)
    assert door.breaker.at_once("") is None
    error = await refused(door.wait(0.5))
    assert HERE in str(error)
    assert error.retry_after == 1.0
    assert (door.clock.passed, door.clock.alarms) == (0, 0)


@on_a_loop
async def test_one_at_a_time_goes_after_a_second_and_three_that_are_answered_let_all_go() -> None:
    """Of all who wait the first tries, the others stay until it is known how that went."""
    door = Door()
    door.outcomes([True] * 5)
    waiting = [door.wait(60 + number) for number in range(5)]
    await door.clock.advance(0.9)
    assert (door.state, [each.done() for each in waiting]) == ("open", [False] * 5)
    await door.clock.advance(0.2)
    for tried in range(3):
        assert (door.state, [each.done() for each in waiting]) == ("half_open", [n <= tried for n in range(5)])
        assert door.breaker.at_once("") is None
        waiting[tried].result().ended(failed=False)
        await settle()
    assert (door.state, [each.done() for each in waiting]) == ("closed", [True] * 5)
    assert all(each.result().holds for each in waiting[3:])
    assert door.clock.alarms == 0


@on_a_loop
async def test_a_probe_that_fails_doubles_the_pause_up_to_thirty_seconds() -> None:
    """It stays open for 1, 2, 4, 8, 16, 30 and 30 seconds; where one was answered of late, for a quarter of one."""
    door = Door()
    door.outcomes([True] * 5)
    for seconds in (1, 2, 4, 8, 16, 30, 30):
        await door.clock.advance(seconds - 0.1)
        assert door.breaker.at_once("") is None
        await door.clock.advance(0.1)
        door.passage().ended(failed=True)
    await door.clock.advance(30)
    door.outcomes([False, True])
    for _ in range(10):
        await door.clock.advance(0.2)
        assert door.breaker.at_once("") is None
        await door.clock.advance(0.05)
        door.passage().ended(failed=True)
    await door.clock.advance(5)
    door.passage().ended(failed=True)
    await door.clock.advance(0.9)
    assert door.breaker.at_once("") is None
    await door.clock.advance(0.1)
    door.outcomes([False, False, False, True, True, True, True, True])
    await door.clock.advance(1)
    assert door.breaker.at_once("") is not None


@on_a_loop
async def test_who_is_too_late_for_the_next_probe_hears_it_when_one_fails() -> None:
    """When it opens again, those whose deadlines come before the next try are refused, the others wait on."""
    door = Door()
    door.outcomes([True] * 5)
    probe, late, patient = door.wait(2.2), door.wait(2.5), door.wait(60)
    await door.clock.advance(1)
    probe.result().ended(failed=True)
    error = await refused(late)
    assert error.retry_after == 2.0
    assert not patient.done()
    await door.clock.advance(2)
    assert patient.result().holds


@pytest.mark.parametrize("when", ["waiting", "called", "going"])
@on_a_loop
async def test_a_probe_that_is_cancelled_is_free_for_the_next(when: str) -> None:
    """Whether it still waits, was just called or has gone: whoever leaves makes room for the next."""
    door = Door()
    door.outcomes([True] * 5)
    first, second = door.wait(), door.wait()
    await settle()
    if when == "waiting":
        first.cancel()
    await door.clock.advance(0.9)
    if when == "called":
        door.clock.at(1001, first.cancel)  # at the same moment as its turn, and just after
    await door.clock.advance(0.1)
    if when == "going":
        assert not second.done()
        first.result().release()
    await settle()
    assert second.result().holds
    assert (first.cancelled(), door.state) == (when != "going", "half_open")


@on_a_loop
async def test_what_was_sent_before_it_opened_changes_nothing() -> None:
    """An old call that comes back, well or not, neither closes nor opens it again."""
    door = Door()
    old = [door.passage() for _ in range(20)]
    door.outcomes([True] * 5)
    old.pop().ended(failed=False)
    assert door.state == "open"
    assert not old[0].holds
    await door.clock.advance(1)
    door.outcomes([False] * 3)
    assert not any(each.holds for each in old)
    for each in old:
        each.ended(failed=True)
    assert door.state == "closed"


@on_a_loop
async def test_too_many_may_not_wait() -> None:
    """Beyond its capacity, callers are refused at once."""
    door = Door(capacity=2)
    door.outcomes([True] * 5)
    waiting = [door.wait(), door.wait()]
    await settle()
    await refused(door.wait())
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert door.clock.alarms == 0


@on_a_loop
async def test_probes_go_by_turns_and_not_to_whom_is_in_most_haste() -> None:
    """A neighbour who has always somebody in a hurry, and always fails, keeps nobody else from trying."""
    door = Door()
    door.outcomes([True] * 5)
    hasty = [door.wait(1.5, "hasty") for _ in range(20)]
    other = door.wait(60, "other")
    await door.clock.advance(1)
    hasty[0].result().ended(failed=True)
    await settle()
    hasty = [door.wait(2.5, "hasty") for _ in range(20)]
    await door.clock.advance(2)
    assert other.result().holds
    assert not any(each.done() for each in hasty)
    for each in hasty:
        each.cancel()
    await asyncio.gather(*hasty, return_exceptions=True)


@on_a_loop
async def test_who_comes_just_now_does_not_go_before_those_who_wait() -> None:
    """Who waits for the next try has it, even when its timer is late and another looks first."""
    door = Door()
    door.outcomes([True] * 5)
    waiting = door.wait(60)
    await settle()
    door.clock.jump(1.5)
    assert (door.state, door.breaker.at_once("")) == ("half_open", None)
    await door.clock.advance(0)
    assert waiting.result().holds


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("HTTPS://User:secret@A.test:8443/v1/x?key=secret", "https://a.test:8443"),
        ("http://[::1]:80/a", "http://[::1]:80"),
        ("https://a.test?key=secret", "https://a.test"),
        ("https://a.test#/b@c", "https://a.test"),
        ("local:text_embedding", "local:"),
    ],
)
def test_an_address_shows_no_more_than_where_it_is(url: str, found: str) -> None:
    """No user, path, query or fragment, all of which may be secret."""
    assert address(url) == found


@dataclass
class Crowd:
    """Those who wait at a door, and those who have passed it and say nothing yet."""

    door: Door = field(default_factory=Door)
    waiting: list[asyncio.Task[BreakerPermit]] = field(default_factory=list[asyncio.Task[BreakerPermit]])
    held: list[BreakerPermit] = field(default_factory=list[BreakerPermit])

    async def settle(self) -> None:
        await settle()
        for each in [each for each in self.waiting if each.done()]:
            self.waiting.remove(each)
            if not each.cancelled() and each.exception() is None:
                self.held.append(each.result())

    async def do(self, act: str, number: int) -> None:
        if act == "come":
            self.waiting.append(self.door.wait(None if number % 3 == 0 else number / 4))
        elif act == "hurry":
            passage = self.door.breaker.at_once("")
            self.held += [] if passage is None else [passage]
        elif act == "go" and self.waiting:
            self.waiting[number % len(self.waiting)].cancel()
        elif act == "wait":
            await self.door.clock.advance(number / 4)
        elif act in ("fail", "succeed", "leave") and self.held:
            passage = self.held.pop(number % len(self.held))
            if act == "leave":
                passage.release()
            else:
                passage.ended(failed=act == "fail")
                passage.release()


ACTS = ["come", "come", "hurry", "go", "wait", "fail", "fail", "fail", "succeed", "leave"]


@given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 20), st.booleans()), max_size=80), st.booleans())
@on_a_loop
async def test_there_is_never_a_second_probe_and_never_a_lost_one(
    acts: list[tuple[str, int, bool]], opened: bool
) -> None:
    """However callers come, leave, fail and succeed: one may go at most unless it is closed, and one may in the end."""
    crowd = Crowd()
    crowd.door.outcomes([True] * 5 * opened)
    for act, number, at_once in acts:
        await crowd.do(act, number)
        if not at_once:
            await crowd.settle()
        good = sum(each.holds for each in crowd.held)
        assert crowd.door.state == "closed" or good <= (crowd.door.state == "half_open")
    await crowd.settle()
    for each in crowd.held:
        each.release()
    last = crowd.door.wait()
    for _ in range(200):
        await crowd.door.clock.advance(31)
        await crowd.settle()
        for each in crowd.held:
            each.ended(failed=False)
        crowd.held.clear()
        if last.done():
            break
    assert last.done()
    last.result().ended(failed=False)
    while (probe := crowd.door.breaker.at_once("")) and crowd.door.state != "closed":
        probe.ended(failed=False)
    await crowd.settle()
    assert not crowd.waiting
    assert crowd.door.state == "closed"
