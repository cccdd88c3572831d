"""A clock that stands still until it is told to go on, for everything that takes its clock from outside."""

from __future__ import annotations

import asyncio
import functools
import heapq
import itertools
import math
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SETTLED = 12  # turns of the event loop after which everything that can go on without time has gone on
PATIENCE = 0.005  # real seconds at a time for what waits for a thread


class Alarm:
    """Something that will happen at a moment of a `FakeClock`, unless it is cancelled."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    """Time of day and monotonic time that go together, and only by `advance` and `drive`."""

    def __init__(self, start: float = 1000.0) -> None:
        self._start = self._now = start
        self._number = itertools.count()
        self._alarms: list[tuple[float, int, Alarm]] = []
        self._working = 0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self._now - self._start)

    def monotonic(self) -> float:
        return self._now

    @property
    def passed(self) -> float:
        """Seconds since the clock was made."""
        return self._now - self._start

    @property
    def alarms(self) -> int:
        """How many alarms are set."""
        return sum(not alarm.cancelled for _, _, alarm in self._alarms)

    def at(self, moment: float, act: Callable[[], None]) -> Alarm:
        alarm = Alarm(act)
        heapq.heappush(self._alarms, (moment, next(self._number), alarm))
        return alarm

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        alarm = self.at(self._now + seconds, lambda: woken.done() or woken.set_result(None))
        try:
            await woken
        finally:
            alarm.cancel()

    async def advance(self, seconds: float) -> None:
        """Let *seconds* pass, and everything happen that is due in them, in order."""
        end = self._now + seconds
        await settle()
        while self._due(end):
            self._ring()
            await settle()
        self._now = end
        await settle()

    def jump(self, seconds: float) -> None:
        """Let *seconds* pass in which nothing happens, as when a process stands still: what was due is late."""
        self._now += seconds

    async def standing(self, work: Awaitable[T]) -> T:
        """The result of *work*, which a thread does: meanwhile `drive` lets no time pass."""
        self._working += 1
        try:
            return await work
        finally:
            self._working -= 1

    async def drive(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of *coroutine*; time jumps to the next alarm whenever nothing can go on without it."""
        task = asyncio.ensure_future(coroutine)
        try:
            while not task.done():
                await settle()
                if task.done():
                    break
                if self._due(math.inf) and not self._working:
                    self._ring()
                else:
                    await asyncio.wait({task}, timeout=PATIENCE)
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _due(self, end: float) -> bool:
        """Whether there is an alarm not later than *end*; time does not move for those that were cancelled."""
        while self._alarms and self._alarms[0][2].cancelled:
            heapq.heappop(self._alarms)
        return bool(self._alarms) and self._alarms[0][0] <= end

    def _ring(self) -> None:
        """Everything that is due at the next moment, at once, as an event loop does it."""
        moment = self._alarms[0][0]
        self._now = max(self._now, moment)
        due: list[Alarm] = []
        while self._alarms and self._alarms[0][0] <= moment:
            due.append(heapq.heappop(self._alarms)[2])
        for alarm in due:
            if not alarm.cancelled:
                alarm.act()


async def settle() -> None:
    """Let everything go on that can."""
    for _ in range(SETTLED):
        await asyncio.sleep(0)


def on_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """*test* as an ordinary function, with an event loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **named: P.kwargs) -> None:
        asyncio.run(test(*args, **named))

    return run
