"""A limiter on a clock that stands still, and what it let go when."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from clock import FakeClock

from inferpoint.model.inference import ANONYMOUS, Caller
from inferpoint.model.quota import Lane, Rate
from inferpoint.runtime.limiter import Limiter, Place, Turn


def place(
    rate: Rate = Rate(60),  # noqa: B008 - it is frozen
    group: str = "g",
    deadline: float | None = None,
    lane: Lane = Lane.OTHER,
    caller: Caller = ANONYMOUS,
) -> Place:
    return Place(group, rate, caller, "e", lane, "s", deadline)


@dataclass(frozen=True)
class Went:
    """A call that was let go: when, what it cost, and whose it was."""

    at: float
    tokens: int
    place: Place


class Queue:
    """A limiter on a clock of its own, and what it let go when."""

    def __init__(self, capacity: int = 2000) -> None:
        self.clock = FakeClock()
        self.limiter = Limiter(self.clock, capacity)
        self.went: list[Went] = []

    @property
    def times(self) -> list[float]:
        return [each.at for each in self.went]

    async def go(self, wanted: Place, tokens: int = 0, *, first: bool = False) -> Turn:
        turn = await self.limiter.turn(wanted, lambda: tokens, first=first)
        assert turn.waited >= 0
        self.went.append(Went(self.clock.passed, tokens, wanted))
        return turn

    def join(self, wanted: Place | None = None, tokens: int = 0, *, first: bool = False) -> asyncio.Task[Turn]:
        return asyncio.ensure_future(self.go(wanted or place(), tokens, first=first))
