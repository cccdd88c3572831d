"""The queue of each rate group: calls leave it as fast as the provider's limits allow, and no faster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from inferpoint.clock import Clock, Timer
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.inference import Caller
from inferpoint.model.quota import Allowance, GroupReport, Lane, Rate
from inferpoint.outbound.fair_queue import Line
from inferpoint.outbound.gcra import Pace, Taken

CAPACITY = 2000
FORGOTTEN = 3600.0  # seconds; who has not called for so long may have other keys by now


@dataclass(frozen=True)
class Place:
    """A wish to make one call.

    Calls of equal `group` share the queue and the limits that `rate` says. `lane` is what the call is for. `deadline`
    is in the clock's monotonic seconds.
    """

    group: str
    rate: Rate
    caller: Caller
    inference_id: str
    lane: Lane = Lane.OTHER
    service: str = ""
    deadline: float | None = None


class Leave(Protocol):
    """The leave to make one call now, after having waited."""

    @property
    def waited(self) -> float:
        """How many seconds."""
        ...

    def settle(self, tokens: int) -> None:
        """Say how many tokens the call costs, as far as is known now; the last word holds."""
        ...

    def give_back(self) -> None:
        """Nothing was sent."""
        ...


class Queues(Protocol):
    """Where calls wait for their turn, in this process or in another that it asks; `Limiter` says what each does."""

    async def turn(self, place: Place, tokens: Callable[[], int], *, first: bool = False) -> Leave:
        """Wait for the turn of *place*."""
        ...

    async def refuse_if_hopeless(self, place: Place, calls: int) -> None:
        """Raise what `turn` would for the last of so many calls."""
        ...

    def pause(self, group: str, seconds: float) -> None:
        """Let nobody of *group* go for so many seconds."""
        ...

    def learn(self, group: str, allowance: Allowance) -> None:
        """Take note of what the provider tells."""
        ...

    async def groups(self) -> Sequence[GroupReport]:
        """How every group stands."""
        ...


class Turn:
    """The leave to make one call now, after having `waited` so many seconds."""

    __slots__ = ("_group", "_limiter", "_rate", "_taken", "waited")

    def __init__(self, limiter: Limiter, group: _Group, rate: Rate, taken: Taken, waited: float) -> None:
        self._limiter = limiter
        self._group = group
        self._rate = rate
        self._taken = taken
        self.waited = waited

    def settle(self, tokens: int) -> None:
        """Say how many tokens the call costs, as far as is known now; the last word holds."""
        if tokens != self._taken.tokens:
            self._taken = self._limiter.settle(self._group, self._rate, self._taken, tokens)

    def give_back(self) -> None:
        """Nothing was sent."""
        self._limiter.give_back(self._group, self._rate, self._taken)


class _Entry:
    """One who waits."""

    __slots__ = ("joined", "place", "tokens", "turn")

    def __init__(self, place: Place, tokens: Callable[[], int], turn: asyncio.Future[Turn], joined: float) -> None:
        self.place = place
        self.tokens = tokens
        self.turn = turn
        self.joined = joined


class _Group:
    """One queue. `timer` is set while somebody waits."""

    def __init__(self, place: Place, now: float) -> None:
        self.name = place.group
        self.service = place.service
        self.rate = place.rate
        self.pace = Pace(now)
        self.line: Line[_Entry] = Line()
        self.timer: Timer | None = None
        self.used_at = now

    def free_at(self) -> float:
        return self.pace.free_at(self.rate)


class Limiter:
    """Lets calls go, each group by itself.

    Nothing holds a slot before its turn: whoever gives up leaves no gap and pays nothing, and whoever is more urgent
    goes first however long the others have waited.
    """

    def __init__(self, clock: Clock, capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._capacity = capacity
        self._groups: dict[str, _Group] = {}

    async def turn(self, place: Place, tokens: Callable[[], int], *, first: bool = False) -> Turn:
        """Wait for the turn of *place*; *tokens*, asked when it comes, is the estimate of what the call will cost.

        *first* is for another try of a call: it goes ahead of its caller's others. `OVERLOADED` when the queue is
        full, `RATE_LIMITED` at once when its deadline comes before its turn.
        """
        now = self._clock.monotonic()
        group = self._groups.get(place.group) or self._begun(place, now)
        group.rate = place.rate
        group.used_at = now
        if not group.line and group.free_at() <= now:
            return Turn(self, group, place.rate, group.pace.take(place.rate, tokens(), now, due=now), 0.0)
        if not first:
            self._refuse(place, group, 1, now)
        entry = _Entry(place, tokens, asyncio.get_running_loop().create_future(), now)
        return await self._wait(group, entry, first=first)

    async def refuse_if_hopeless(self, place: Place, calls: int) -> None:
        """Raise what `turn` would for the last of so many calls, so that none of them is made in vain."""
        if group := self._groups.get(place.group):
            self._refuse(place, group, calls, self._clock.monotonic())
        else:
            now = self._clock.monotonic()
            self._refuse(place, _Group(place, now), calls, now)

    def pause(self, group: str, seconds: float) -> None:
        """Let nobody of *group* go for so many seconds: its provider said so."""
        if found := self._groups.get(group):
            found.pace.pause(seconds, self._clock.monotonic())
            self._arm(found)

    def learn(self, group: str, allowance: Allowance) -> None:
        """Take note of what the provider tells of its limits, and slow down where little is left."""
        if found := self._groups.get(group):
            found.pace.learn(allowance, self._clock.monotonic())
            self._arm(found)

    def settle(self, group: _Group, rate: Rate, taken: Taken, tokens: int) -> Taken:
        """Charge other *tokens* than before; for `Turn`."""
        settled = group.pace.settle(rate, taken, tokens, self._clock.monotonic())
        self._arm(group)
        return settled

    def give_back(self, group: _Group, rate: Rate, taken: Taken) -> None:
        """Charge nothing; for `Turn`."""
        group.pace.give_back(rate, taken, self._clock.monotonic())
        self._arm(group)

    def waiting(self) -> int:
        """How many calls wait, over all groups."""
        return sum(len(group.line) for group in self._groups.values())

    async def groups(self) -> Sequence[GroupReport]:
        """How every group stands."""
        return [_report(group, self._clock.monotonic()) for group in self._groups.values()]

    def _begun(self, place: Place, now: float) -> _Group:
        """A new group; those that nobody has used for long are forgotten."""
        self._groups = {
            name: each
            for name, each in self._groups.items()
            if each.line or now < max(each.used_at + FORGOTTEN, each.free_at())
        }
        group = self._groups[place.group] = _Group(place, now)
        return group

    async def _wait(self, group: _Group, entry: _Entry, *, first: bool) -> Turn:
        place = entry.place
        group.line.join(entry, place.lane, place.caller.name, place.caller.share, first=first)
        self._arm(group)
        try:
            return await entry.turn
        except asyncio.CancelledError:
            if not group.line.leave(entry, place.lane, place.caller.name) and not entry.turn.cancelled():
                entry.turn.result().give_back()
            self._arm(group)
            raise

    def _arm(self, group: _Group) -> None:
        """Have one timer, at the moment when the next may go, and only while somebody waits."""
        if group.timer is not None:
            group.timer.cancel()
            group.timer = None
        if group.line:
            group.timer = self._clock.at(group.free_at(), lambda: self._next(group))

    def _next(self, group: _Group) -> None:
        """Let go who may, in the order of the line; more than one when the timer was late."""
        group.timer = None
        now = self._clock.monotonic()

        def charged(entry: _Entry) -> float:
            """What the turn of *entry* costs; nothing when its caller has left and does not know it yet."""
            if entry.turn.done():
                return 0.0
            rate, tokens = entry.place.rate, entry.tokens()
            seconds = group.pace.seconds(rate, tokens, now)
            taken = group.pace.take(rate, tokens, now, group.free_at())
            entry.turn.set_result(Turn(self, group, rate, taken, now - entry.joined))
            return seconds or 1.0  # where there is no limit each call counts the same

        while group.line and group.free_at() <= now:
            group.line.next(charged)
        self._arm(group)

    def _refuse(self, place: Place, group: _Group, calls: int, now: float) -> None:
        """Raise when the last of so many calls does not fit into the queue, or not before its deadline."""
        if len(group.line) + calls - 1 >= self._capacity:
            raise InferenceError(
                Kind.OVERLOADED,
                f"Failed to execute task for inference id [{place.inference_id}] because the request service"
                f" [{place.group}] queue is full",
                retry_after=max(0.0, group.free_at() - now),
            )
        if place.deadline is None:
            return
        if group.pace.paused_until > place.deadline:
            raise _paused(place, group.pace.paused_until - now)
        ahead = group.line.ahead(place.lane, place.caller.name, place.caller.share) + calls - 1
        each = max(group.pace.seconds(place.rate, 0, now), group.pace.typical)
        wait = max(0.0, group.free_at() - now) + ahead * each
        if now + wait > place.deadline:
            raise too_late(place, wait, retry_after=now + wait - place.deadline)


def too_late(place: Place, wait: float, retry_after: float) -> InferenceError:
    """What is told to whoever would have to wait, or has waited, for so many seconds, which is too long."""
    limits = {"requests": place.rate.requests, "tokens": place.rate.tokens}
    shown = " and ".join(f"[{limit}] {what}" for what, limit in limits.items() if limit is not None)
    at = f" at {shown} a minute" if shown else ""
    return InferenceError(
        Kind.RATE_LIMITED,
        f"Failed to execute task for inference id [{place.inference_id}] because the request service"
        f" [{place.group}] has a queue of [{wait:.1f}s]{at}, which is longer than the timeout of the request",
        retry_after=retry_after,
        whose_limit="ours",
    )


def _paused(place: Place, seconds: float) -> InferenceError:
    return InferenceError(
        Kind.RATE_LIMITED,
        f"Failed to execute task for inference id [{place.inference_id}] because the request service"
        f" [{place.group}] is paused for [{seconds:.1f}s], as its provider asked",
        retry_after=seconds,
        whose_limit="provider",
    )


def _report(group: _Group, now: float) -> GroupReport:
    lanes = dict(group.line.lanes())
    return GroupReport(
        group=group.name,
        service=group.service,
        rate=group.rate,
        told=group.pace.told(now),
        paused=max(0.0, group.pace.paused_until - now),
        waiting={lane: len(entries) for lane, entries in lanes.items()},
        oldest={lane: max((now - entry.joined for entry in entries), default=0.0) for lane, entries in lanes.items()},
    )
