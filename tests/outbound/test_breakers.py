"""What has a breaker of its own: the calls of a rate group to an address, and each address."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from clock import FakeClock, on_a_loop, settle
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.model.deadline import Deadline
from inferpoint.outbound.breakers import Breakers, CallPermit
from inferpoint.outbound.ticket import Reason, Refusal

HERE, THERE = "https://a.test:443", "https://b.test:443"


class Doors:
    """Breakers on a clock of their own."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.breakers = Breakers(self.clock)

    def permit(self, group: str = "g", address: str = HERE) -> CallPermit:
        permit = self.breakers.at_once(address, group, "somebody")
        assert permit is not None
        return permit

    def fail(self, group: str = "g", address: str = HERE) -> None:
        for _ in range(5):
            self.permit(group, address).ended(failed=True)

    def unreach(self, group: str = "g") -> None:
        for _ in range(5):
            self.permit(group).unreachable()

    def wait(self, group: str = "g", seconds: float = 60) -> asyncio.Task[CallPermit | Refusal]:
        deadline = Deadline(self.clock.monotonic() + seconds)
        return asyncio.ensure_future(self.breakers.enter(HERE, group, "somebody", lambda: deadline))

    @property
    def states(self) -> dict[tuple[str, str], str]:
        return {(report.address, report.group): report.state for report in self.breakers.states()}


def holds(task: asyncio.Task[Any]) -> bool:
    return task.done() and isinstance(permit := task.result(), CallPermit) and permit.holds


@on_a_loop
async def test_calls_of_one_group_that_fail_hold_back_nobody_else() -> None:
    """One model of many at an address may fail for ever: others call it, and that group calls other addresses."""
    doors = Doors()
    doors.fail("failing")
    assert doors.breakers.at_once(HERE, "failing", "x") is None
    assert doors.permit("other").holds
    assert doors.permit("failing", THERE).holds
    assert doors.states == {
        (HERE, "failing"): "open",
        (HERE, "other"): "closed",
        (HERE, ""): "closed",
        (THERE, "failing"): "closed",
        (THERE, ""): "closed",
    }


@on_a_loop
async def test_an_address_that_cannot_be_reached_is_left_alone_by_all() -> None:
    """Nobody calls it before the next try, which says nothing of any group; refusals tell what is wrong."""
    doors = Doors()
    doors.unreach()
    refused = await doors.wait("other", seconds=0.5)
    assert refused == Refusal(Reason.UNREACHABLE, 1.0, 1.0, HERE)
    assert doors.states == {(HERE, "g"): "closed", (HERE, ""): "open"}
    waiting = [doors.wait("g"), doors.wait("g"), doors.wait("other")]
    await doors.clock.advance(1)
    assert list(map(holds, waiting)) == [True, False, False]
    waiting[0].result().ended(failed=False)
    await settle()
    assert list(map(holds, waiting)) == [False, False, True]  # by turns, of groups
    waiting[2].result().ended(failed=True)
    await settle()
    waiting[1].result().ended(failed=False)
    assert doors.states == {(HERE, "g"): "closed", (HERE, "other"): "closed", (HERE, ""): "closed"}


@on_a_loop
async def test_an_answer_that_did_not_come_is_the_groups_failure() -> None:
    """Whether the address was reached is not known, so it is tried no less."""
    doors = Doors()
    for _ in range(5):
        doors.permit().unanswered()
    assert doors.states == {(HERE, "g"): "open", (HERE, ""): "closed"}


@pytest.mark.parametrize("leaves", [True, False])
@on_a_loop
async def test_who_waits_for_the_address_with_its_groups_probe_hands_that_on(leaves: bool) -> None:
    """Whether the caller leaves or is refused: the next of the group tries in its place."""
    doors = Doors()
    doors.fail()
    await doors.clock.advance(1)
    probe = doors.permit()
    doors.unreach("other")
    probe.release()
    elsewhere = doors.wait("other")
    first, second = doors.wait(seconds=1.5), doors.wait()
    await settle()
    if leaves:
        first.cancel()
    await doors.clock.advance(1)
    other = elsewhere.result()
    assert isinstance(other, CallPermit)
    other.unreachable()
    await doors.clock.advance(2)
    assert holds(second)
    assert first.cancelled() if leaves else isinstance(first.result(), Refusal)


@on_a_loop
async def test_what_was_quiet_for_long_is_forgotten() -> None:
    """Neither what works nor what does not is kept for ever, and what is old counts no longer."""
    doors = Doors()
    for _ in range(4):
        doors.permit().ended(failed=True)
    for number in range(50):
        doors.permit(address=f"https://{number}.test").ended(failed=True)
    await doors.clock.advance(301)
    assert doors.states == {}
    for _ in range(4):
        doors.permit().ended(failed=True)
    assert doors.states == {(HERE, "g"): "closed", (HERE, ""): "closed"}
    assert len(doors.breakers._breakers) == 2


class Crowd:
    """Calls of three groups that wait, and those that have their permits and say nothing yet."""

    def __init__(self) -> None:
        self.doors = Doors()
        self.waiting: list[asyncio.Task[CallPermit | Refusal]] = []
        self.held: list[CallPermit] = []

    async def do(self, act: str, number: int) -> None:
        if act == "come":
            self.waiting.append(self.doors.wait("abc"[number % 3], seconds=1 + number))
        elif act == "go" and self.waiting:
            self.waiting[number % len(self.waiting)].cancel()
        elif act == "wait":
            await self.doors.clock.advance(number / 4)
        elif act not in ("come", "go") and self.held:
            permit = self.held.pop(number % len(self.held))
            if act == "unreach":
                permit.unreachable()
            elif act != "leave":
                permit.ended(failed=act == "fail")
            permit.release()

    async def settle(self) -> None:
        await settle()
        for task in [task for task in self.waiting if task.done()]:
            self.waiting.remove(task)
            if not task.cancelled() and isinstance(permit := task.result(), CallPermit):
                self.held.append(permit)


ACTS = ["come", "come", "go", "wait", "fail", "fail", "succeed", "unreach", "unreach", "leave"]


@given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 20)), max_size=80))
@on_a_loop
async def test_nobody_waits_for_ever(acts: list[tuple[str, int]]) -> None:
    """However calls come, leave, fail and reach nothing: one a group at most tries, and in the end each may call."""
    crowd = Crowd()
    for group in "abc":
        crowd.doors.fail(group)
    crowd.doors.unreach("d")
    for act, number in acts:
        await crowd.do(act, number)
        await crowd.settle()
        assert sum(permit.holds for permit in crowd.held) <= 1 or crowd.doors.states[HERE, ""] == "closed"
    crowd.waiting += [crowd.doors.wait(group, seconds=10_000) for group in "abc"]
    for _ in range(100):
        for permit in crowd.held:
            permit.ended(failed=False)
        crowd.held.clear()
        await crowd.doors.clock.advance(31)
        await crowd.settle()
    assert not crowd.waiting
    assert crowd.doors.clock.alarms == 0
