"""The queue of each rate group: calls leave it as fast as the provider's limits allow, and no faster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from typing_extensions import override

from inferpoint.clock import Clock, Timer
from inferpoint.model.budgets import CallerReport
from inferpoint.model.quota import Allowance, Cost, GroupReport
from inferpoint.model.requests import Caller
from inferpoint.outbound.fair_queue import FairQueue
from inferpoint.outbound.gcra import Pacer, Taken
from inferpoint.outbound.ticket import Permit, RateLimiter, Reason, Refusal, Ticket

if TYPE_CHECKING:
    from inferpoint.outbound.caller_limits import CallerLimiter

CAPACITY = 2000
LONGEST_PAUSE = 60.0  # seconds: most limits are a minute's, and who asks for a day is mistaken more often than not
FORGOTTEN = 3600.0  # seconds; who has not called for so long may have other keys by now


class QueuePermit(Permit):
    """A permit of a `Limiter` in this process."""

    __slots__ = ("_group", "_limiter", "_taken")

    def __init__(self, limiter: Limiter, group: _Group, taken: Taken, waited: float) -> None:
        super().__init__(waited)
        self._limiter = limiter
        self._group = group
        self._taken = taken

    @override
    def settle(self, cost: Cost) -> None:
        if cost != self._taken.cost:
            self._taken = self._limiter.settle(self._group, self._taken, cost)

    @override
    def _end(self, *, sent: bool) -> None:
        if not sent:
            self._limiter.give_back(self._group, self._taken)


class _Entry:
    """A ticket that waits for its permit."""

    __slots__ = ("cost", "joined", "permit", "ticket")

    def __init__(self, ticket: Ticket, cost: Callable[[], Cost], joined: float) -> None:
        self.ticket = ticket
        self.cost = cost
        self.permit: asyncio.Future[Permit | Refusal] = asyncio.get_running_loop().create_future()
        self.joined = joined


class _Group:
    """One queue. `timer` is set while a call waits."""

    def __init__(self, ticket: Ticket, now: float, longest_pause: float) -> None:
        self.name = ticket.group
        self.service = ticket.service
        self.endpoint = ticket.endpoint
        self.rate = ticket.rate
        self.pacer = Pacer(now, longest_pause)
        self.queue: FairQueue[_Entry] = FairQueue()
        self.timer: Timer | None = None
        self.used_at = now

    def free_at(self) -> float:
        return self.pacer.free_at(self.rate)


class Limiter(RateLimiter):
    """Lets calls go, each group by itself.

    Nothing holds a slot before its turn: whoever gives up leaves no gap and pays nothing, and whoever is more urgent
    goes first however long the others have waited. The limits of *callers* come before those of any group.
    """

    def __init__(
        self,
        clock: Clock,
        longest_pause: float = LONGEST_PAUSE,
        capacity: int = CAPACITY,
        callers: CallerLimiter | None = None,
    ) -> None:
        self.longest_pause = longest_pause
        self._callers = callers
        self._clock = clock
        self._capacity = capacity
        self._groups: dict[str, _Group] = {}

    @override
    async def permit(self, ticket: Ticket, cost: Callable[[], Cost]) -> Permit | Refusal:
        if ticket.caller.limits is not None:
            assert self._callers is not None
            return await self._callers.permit(ticket, cost, self)
        now = self._clock.monotonic()
        group = self._groups.get(ticket.group) or self._begun(ticket, now)
        group.rate = ticket.rate
        group.endpoint = ticket.endpoint
        group.used_at = now
        if not group.queue.count and group.pacer.free_at(ticket.rate) <= now:
            taken = group.pacer.take(ticket.rate, cost(), now, due=now)
            return QueuePermit(self, group, taken, 0.0)
        too_long = _pause_beyond(group, ticket.bears_until, now)
        if refusal := too_long if ticket.ahead else self._refusal(ticket, group, 1, now):
            return refusal
        return await self._wait(group, _Entry(ticket, cost, now))

    def lease(self, ticket: Ticket, calls: int) -> int:
        """How many of so many *calls* like that of *ticket* are charged before they are there.

        None while others wait, and none of a group so slow that its turns are worth to be asked for one by one.
        """
        now = self._clock.monotonic()
        group = self._groups.get(ticket.group)
        if group is None or group.queue.count or group.free_at() > now:
            return 0
        group.used_at = now
        return group.pacer.take_ahead(group.rate, calls, now)

    @override
    async def admit(self, ticket: Ticket) -> Refusal | None:
        assert self._callers is not None
        return await self._callers.admit(ticket)

    @override
    async def check_deadline(self, ticket: Ticket, calls: int) -> Refusal | None:
        now = self._clock.monotonic()
        return self._refusal(ticket, self._group(ticket, now), calls, now)

    @override
    async def check_affordable(self, ticket: Ticket, cost: Cost) -> Refusal | None:
        assert self._callers is not None
        return self._callers.check_affordable(ticket, cost)

    @override
    def pause(self, group: str, seconds: float, because: str) -> None:
        if known := self._groups.get(group):
            now = self._clock.monotonic()
            known.pacer.pause(seconds, because, now)
            for entry in [entry for _, entries in known.queue.lanes() for entry in entries]:
                ticket = entry.ticket
                if refusal := _pause_beyond(known, ticket.bears_until, now):
                    known.queue.leave(entry, ticket.lane, ticket.caller.name)
                    if not entry.permit.done():
                        entry.permit.set_result(refusal)
            self._arm(known)

    @override
    def release(self, group: str) -> None:
        if known := self._groups.get(group):
            known.pacer.resume(self._clock.monotonic())
            self._arm(known)

    @override
    def learn(self, group: str, allowance: Allowance) -> None:
        if known := self._groups.get(group):
            known.pacer.learn(allowance, self._clock.monotonic())
            self._arm(known)

    def settle(self, group: _Group, taken: Taken, cost: Cost) -> Taken:
        """Charge another *cost* than before; for `QueuePermit`."""
        settled = group.pacer.settle(taken, cost, self._clock.monotonic())
        if group.queue.count:
            self._arm(group)
        return settled

    def give_back(self, group: _Group, taken: Taken) -> None:
        """Charge nothing; for `QueuePermit`."""
        group.pacer.give_back(taken, self._clock.monotonic())
        self._arm(group)

    @override
    async def groups(self) -> Sequence[GroupReport]:
        return [_report(group, self._clock.monotonic()) for group in self._groups.values()]

    @override
    async def callers(self, asking: Caller) -> Sequence[CallerReport]:
        return () if self._callers is None else self._callers.reports(asking)

    def owed(self, group: str) -> float:
        """In how many seconds all that *group* has taken is paid for."""
        known = self._groups.get(group)
        return known.pacer.owed(self._clock.monotonic()) if known else 0.0

    def _group(self, ticket: Ticket, now: float) -> _Group:
        return self._groups.get(ticket.group) or _Group(ticket, now, self.longest_pause)

    def _begun(self, ticket: Ticket, now: float) -> _Group:
        """A new group; those that nobody has used for long are forgotten."""
        self._groups = {
            name: group
            for name, group in self._groups.items()
            if group.queue or now < max(group.used_at + FORGOTTEN, group.free_at())
        }
        group = self._groups[ticket.group] = self._group(ticket, now)
        return group

    async def _wait(self, group: _Group, entry: _Entry) -> Permit | Refusal:
        ticket = entry.ticket
        group.queue.join(entry, ticket.lane, ticket.caller.name, ticket.caller.share, ahead=ticket.ahead)
        self._arm(group)
        try:
            return await entry.permit
        except asyncio.CancelledError:
            if not group.queue.leave(entry, ticket.lane, ticket.caller.name) and not entry.permit.cancelled():
                answer = entry.permit.result()
                if isinstance(answer, Permit):
                    answer.release()
            self._arm(group)
            raise

    def _arm(self, group: _Group) -> None:
        """Have one timer, at the moment when the next call may go, and only while one waits."""
        if group.timer is not None:
            group.timer.cancel()
            group.timer = None
        if group.queue:
            group.timer = self._clock.at(group.free_at(), lambda: self._next(group))

    def _next(self, group: _Group) -> None:
        """Let go who may, in the order of the queue; more than one when the timer was late."""
        group.timer = None
        now = self._clock.monotonic()

        def charged(entry: _Entry) -> float:
            """What the turn of *entry* costs; nothing when its caller has left and does not know it yet."""
            if entry.permit.done():
                return 0.0
            rate, cost = entry.ticket.rate, entry.cost()
            seconds = group.pacer.seconds(rate, cost, now)
            taken = group.pacer.take(rate, cost, now, group.free_at())
            entry.permit.set_result(QueuePermit(self, group, taken, now - entry.joined))
            return seconds or 1.0  # where there is no limit each call counts the same

        while group.queue and group.free_at() <= now:
            group.queue.next(charged)
        self._arm(group)

    def _refusal(self, ticket: Ticket, group: _Group, calls: int, now: float) -> Refusal | None:
        """Why the last of so many calls is refused: no room in the queue, or none before its deadline."""
        if len(group.queue) + calls - 1 >= self._capacity:
            return Refusal(Reason.FULL, retry_after=max(0.0, group.free_at() - now))
        if refusal := _pause_beyond(group, min(ticket.bears_until, ticket.deadline.at), now):
            return refusal
        ahead = group.queue.ahead(ticket.lane, ticket.caller.name, ticket.caller.share) + calls - 1
        spacing = max(group.pacer.seconds(ticket.rate, Cost(), now), group.pacer.typical)
        wait = max(0.0, group.free_at() - now) + ahead * spacing
        if now + wait > ticket.deadline.at:
            return Refusal(Reason.LATE, wait, now + wait - ticket.deadline.at)
        return None


def _pause_beyond(group: _Group, moment: float, now: float) -> Refusal | None:
    """The refusal of a call that does not wait beyond *moment* for the end of the group's pause, if that is later."""
    paused = group.pacer.paused_until
    return Refusal(Reason.PAUSED, paused - now, paused - now) if paused > moment else None


def _report(group: _Group, now: float) -> GroupReport:
    lanes = dict(group.queue.lanes())
    paused = max(0.0, group.pacer.paused_until - now)
    return GroupReport(
        group=group.name,
        service=group.service,
        rate=group.rate,
        told=group.pacer.told(now),
        paused=paused,
        paused_because=group.pacer.paused_because if paused else "",
        waiting={lane: len(entries) for lane, entries in lanes.items()},
        oldest={lane: max((now - entry.joined for entry in entries), default=0.0) for lane, entries in lanes.items()},
        endpoint=group.endpoint,
    )
