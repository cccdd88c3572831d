"""A limiter on a clock that stands still, and what it let go when."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from clock import FakeClock
from msgspec import structs

from inferpoint.calls.refusals import refused
from inferpoint.model.deadline import NEVER, Deadline
from inferpoint.model.quota import Cost, Lane, Rate
from inferpoint.model.requests import ANONYMOUS, Caller
from inferpoint.outbound.limiter import Limiter
from inferpoint.outbound.ticket import Permit, RateLimiter, Refusal, Ticket

LONGEST = 86_400.0  # seconds of a pause: longer than those of tests that are about something else


def place(
    rate: Rate = Rate(60),  # noqa: B008 - it is frozen
    group: str = "g",
    deadline: float | None = None,
    lane: Lane = Lane.OTHER,
    caller: Caller = ANONYMOUS,
) -> Ticket:
    return Ticket(group, rate, caller, lane, "s", NEVER if deadline is None else Deadline(deadline))


@dataclass(frozen=True)
class Went:
    """A call that was let go: when, what it cost, and whose it was."""

    at: float
    tokens: int
    place: Ticket


async def calls_waiting(limiter: RateLimiter) -> int:
    """How many calls wait, in all groups."""
    return sum(sum(report.waiting.values()) for report in await limiter.groups())


class Queue:
    """A limiter on a clock of its own, and what it let go when."""

    def __init__(self, capacity: int = 2000, longest: float = LONGEST) -> None:
        self.clock = FakeClock()
        self.limiter = Limiter(self.clock, longest, capacity)
        self.went: list[Went] = []

    @property
    def times(self) -> list[float]:
        return [each.at for each in self.went]

    async def go(self, wanted: Ticket, tokens: int = 0, *, first: bool = False) -> Permit:
        joined = self.clock.passed
        turn = await self.limiter.permit(structs.replace(wanted, ahead=first), lambda: Cost(tokens=tokens))
        if isinstance(turn, Refusal):
            raise refused(turn, wanted, "e")
        assert turn.waited >= 0
        self.went.append(Went(joined + turn.waited, tokens, wanted))  # the clock may have jumped since
        return turn

    async def check(self, wanted: Ticket, calls: int) -> None:
        refusal = await self.limiter.check_deadline(wanted, calls)
        if refusal is not None:
            raise refused(refusal, wanted, "e")

    def join(self, wanted: Ticket | None = None, tokens: int = 0, *, first: bool = False) -> asyncio.Task[Permit]:
        return asyncio.ensure_future(self.go(wanted or place(), tokens, first=first))
