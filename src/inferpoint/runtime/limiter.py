"""The queue of each rate group: calls leave it evenly spaced, as fast as the provider's limit allows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.inference import Caller, InputType
from inferpoint.runtime.clock import Clock, Timer

CAPACITY = 2000


@dataclass(frozen=True)
class Place:
    """A wish to make one call.

    `rate` is the group's, in requests a minute; None is no limit. `lane` is what the call is for. `tokens` is the
    estimate of what it will cost. `deadline` is in the clock's monotonic seconds.
    """

    group: str
    rate: int | None
    caller: Caller
    inference_id: str
    lane: InputType | None = None
    tokens: int = 0
    deadline: float | None = None


@dataclass
class _Group:
    """One queue: who waits, in the order of arrival, and when the next of them may go.

    Whoever is called is told when the one after it may go.
    """

    interval: float
    free_at: float
    waiting: dict[asyncio.Future[float], None] = field(default_factory=dict[asyncio.Future[float], None])
    timer: Timer | None = None


class Limiter:
    """Lets calls go, one at a time for each group.

    Nothing holds a slot before its turn: whoever gives up leaves no gap, and pays nothing.
    """

    def __init__(self, clock: Clock, capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._capacity = capacity
        self._groups: dict[str, _Group] = {}

    async def turn(self, place: Place) -> float:
        """Wait for the turn of *place* and say how many seconds that took.

        `OVERLOADED` when the queue is full, `RATE_LIMITED` at once when its deadline comes before its turn.
        """
        if place.rate is None:
            return 0.0
        now = self._clock.monotonic()
        group = self._groups.get(place.group) or self._begun(place.group, 60 / place.rate, now)
        if not group.waiting and group.free_at <= now:
            group.free_at = now + group.interval
            return 0.0
        self._refuse_if_hopeless(place, group, now)
        await self._wait(group)
        return self._clock.monotonic() - now

    def waiting(self) -> int:
        """How many calls wait, over all groups."""
        return sum(len(group.waiting) for group in self._groups.values())

    def _begun(self, name: str, interval: float, now: float) -> _Group:
        """A new group. One that nobody waits in and that is free is like one that never was: those are forgotten."""
        self._groups = {name: each for name, each in self._groups.items() if each.waiting or each.free_at > now}
        group = self._groups[name] = _Group(interval, now)
        return group

    async def _wait(self, group: _Group) -> None:
        turn: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        group.waiting[turn] = None
        self._arm(group)
        try:
            await turn
        except asyncio.CancelledError:
            if group.waiting.pop(turn, turn) is turn and not turn.cancelled():
                self._give_back(group, turn.result())
            raise
        finally:
            self._arm(group)

    def _arm(self, group: _Group) -> None:
        """Have one timer, and only while somebody waits."""
        if group.waiting and group.timer is None:
            group.timer = self._clock.at(group.free_at, lambda: self._next(group))
        elif not group.waiting and group.timer is not None:
            group.timer.cancel()
            group.timer = None

    def _next(self, group: _Group) -> None:
        group.timer = None
        now = self._clock.monotonic()
        if now < group.free_at:  # the timer was early
            self._arm(group)
            return
        while group.waiting:
            turn = next(iter(group.waiting))
            del group.waiting[turn]
            if not turn.done():  # its caller has left but does not know it yet
                group.free_at = now + group.interval
                turn.set_result(group.free_at)
                break
        self._arm(group)

    def _give_back(self, group: _Group, next_at: float) -> None:
        """The one whose turn it was has left between being called and going: the next may have it."""
        if group.free_at != next_at:
            return  # on a loop that is late somebody else has gone since, and the turn is over
        group.free_at -= group.interval
        if group.timer is not None:
            group.timer.cancel()
            group.timer = None

    def _refuse_if_hopeless(self, place: Place, group: _Group, now: float) -> None:
        if len(group.waiting) >= self._capacity:
            raise InferenceError(
                Kind.OVERLOADED,
                f"Failed to execute task for inference id [{place.inference_id}] because the request service"
                f" [{place.group}] queue is full",
                retry_after=group.interval,
            )
        wait = group.free_at - now + len(group.waiting) * group.interval
        if place.deadline is not None and now + wait > place.deadline:
            raise InferenceError(
                Kind.RATE_LIMITED,
                f"Failed to execute task for inference id [{place.inference_id}] because the request service"
                f" [{place.group}] has a queue of [{wait:.1f}s] at [{place.rate}] requests a minute,"
                " which is longer than the timeout of the request",
                retry_after=wait,
                whose_limit="ours",
            )
