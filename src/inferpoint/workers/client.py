"""A worker's end of the limiter that all workers share: it asks the supervisor, who has the queues."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

from typing_extensions import override

from inferpoint.clock import Clock
from inferpoint.model.budgets import CallerReport
from inferpoint.model.quota import Allowance, Cost, GroupReport
from inferpoint.model.requests import Caller
from inferpoint.outbound.limiter import LONGEST_PAUSE
from inferpoint.outbound.ticket import Permit, RateLimiter, Reason, Refusal, Ticket
from inferpoint.workers import messages
from inferpoint.workers.messages import FromLimiter, ToLimiter

LEASE_SECONDS = 0.02  # for which a group may be given turns ahead: one that must pause may go on for so long

A = TypeVar("A", messages.Granted, messages.Reported, messages.ReportedCallers)
_STOPPING = Refusal(Reason.STOPPING)


class RemotePermit(Permit):
    """A permit of the supervisor's limiter."""

    __slots__ = ("_cost", "_number", "_send")

    def __init__(self, granted: messages.Granted, cost: Cost, send: Callable[[ToLimiter], None]) -> None:
        super().__init__(granted.waited)
        self._number = granted.number
        self._cost = cost
        self._send = send

    @override
    def settle(self, cost: Cost) -> None:
        if cost != self._cost:
            self._cost = cost
            self._send(messages.Settled(self._number, cost))

    @override
    def failed(self) -> None:
        self._send(messages.Failed(self._number))

    @override
    def _end(self, *, sent: bool) -> None:
        self._send(messages.Done(self._number) if sent else messages.Left(self._number))


class _Lease:
    """Turns of a group that are charged already. Until the moment `due` so many calls were `asked` for of the group."""

    __slots__ = ("asked", "due", "turns")

    def __init__(self, now: float) -> None:
        self.turns = self.asked = 0
        self.due = now + LEASE_SECONDS


class LeasedPermit(Permit):
    """A permit of which the supervisor knows nothing: it is charged, and costs what every call of its group does."""

    __slots__ = ("_lease",)

    def __init__(self, lease: _Lease) -> None:
        super().__init__(0.0)
        self._lease = lease

    @override
    def settle(self, cost: Cost) -> None:
        pass

    @override
    def _end(self, *, sent: bool) -> None:
        if not sent:
            self._lease.turns += 1


class LimiterClient(RateLimiter):
    """The rate limiter of one of several processes. *send* is how it asks, `receive` how it is answered.

    Turns of a group that is so fast that asking costs more than they are worth are asked for ahead, but for callers
    with limits. Every permit is refused, and no group is known, once the supervisor is gone.
    """

    def __init__(self, send: Callable[[ToLimiter], None], clock: Clock, longest_pause: float = LONGEST_PAUSE) -> None:
        self.longest_pause = longest_pause
        self._send = send
        self._clock = clock
        self._leases: dict[str, _Lease] = {}
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[messages.Numbered]] = {}
        self._lost = False

    @override
    async def permit(self, ticket: Ticket, cost: Callable[[], Cost]) -> Permit | Refusal:
        if ticket.caller.limits is None and (lease := self._lease(ticket)).turns:
            lease.turns -= 1
            return LeasedPermit(lease)
        estimate, number = cost(), next(self._numbers)  # what is told when the turn comes is charged instead
        answer = await self._answer(number, messages.Wanted(number, ticket, estimate), messages.Granted)
        if isinstance(answer, Refusal):
            return answer
        permit = RemotePermit(answer, estimate, self._send)
        permit.settle(cost())
        return permit

    @override
    async def admit(self, ticket: Ticket) -> Refusal | None:
        number = next(self._numbers)
        answer = await self._answer(number, messages.Admitted(number, ticket), messages.Granted)
        return answer if isinstance(answer, Refusal) else None

    @override
    async def check_affordable(self, ticket: Ticket, cost: Cost) -> Refusal | None:
        number = next(self._numbers)
        answer = await self._answer(number, messages.Weighed(number, ticket, cost), messages.Granted)
        return answer if isinstance(answer, Refusal) else None

    @override
    async def check_deadline(self, ticket: Ticket, calls: int) -> Refusal | None:
        number = next(self._numbers)
        answer = await self._answer(number, messages.Checked(number, ticket, calls), messages.Granted)
        return answer if isinstance(answer, Refusal) else None

    @override
    def pause(self, group: str, seconds: float, because: str) -> None:
        self._leases.pop(group, None)
        self._send(messages.Paused(group, seconds, because))

    @override
    def release(self, group: str) -> None:
        self._send(messages.Released(group))

    @override
    def learn(self, group: str, allowance: Allowance) -> None:
        self._send(messages.Learnt(group, allowance))

    @override
    async def groups(self) -> Sequence[GroupReport]:
        number = next(self._numbers)
        answer = await self._answer(number, messages.Watched(number), messages.Reported)
        return () if isinstance(answer, Refusal) else answer.groups

    @override
    async def callers(self, asking: Caller) -> Sequence[CallerReport]:
        number = next(self._numbers)
        answer = await self._answer(number, messages.Counted(number, asking), messages.ReportedCallers)
        return () if isinstance(answer, Refusal) else answer.callers

    def receive(self, answer: FromLimiter) -> None:
        """Hand *answer* to the call that waits for it; one whose caller has left meanwhile is not waited for."""
        if isinstance(answer, messages.Leased):
            if lease := self._leases.get(answer.group):
                lease.turns = answer.turns
            return
        asked = self._asked.get(answer.number)
        if asked is not None and not asked.done():
            asked.set_result(answer)

    def lose(self) -> None:
        """Refuse everybody from now on: the supervisor is gone."""
        self._lost = True
        self._leases.clear()
        for number, asked in self._asked.items():
            if not asked.done():
                asked.set_result(messages.Refused(number, _STOPPING))

    def _lease(self, ticket: Ticket) -> _Lease:
        """The lease of a ticket's group, renewed when it is due: for twice as many calls as were asked for of late."""
        now, group = self._clock.monotonic(), ticket.group
        lease = self._leases.get(group)
        if lease is None or now >= lease.due + LEASE_SECONDS:  # it is too old to be used
            self._leases = {name: lease for name, lease in self._leases.items() if now < lease.due + LEASE_SECONDS}
            lease = self._leases[group] = _Lease(now)
        elif now >= lease.due:
            if lease.asked > 1:
                self._send(messages.Ahead(ticket, 2 * lease.asked))
            lease.asked, lease.due = 0, now + LEASE_SECONDS
        lease.asked += 1
        return lease

    async def _answer(self, number: int, question: ToLimiter, kind: type[A]) -> A | Refusal:
        if self._lost:
            return _STOPPING
        asked = self._asked[number] = asyncio.get_running_loop().create_future()
        self._send(question)
        try:
            answer = await asked
        except asyncio.CancelledError:
            self._send(messages.Left(number))
            raise
        finally:
            del self._asked[number]
        if isinstance(answer, messages.Refused):
            return answer.refusal
        assert isinstance(answer, kind)
        return answer
