"""The limits of one caller, over all endpoints that it calls: requests and tokens a minute, and budgets.

They come before the queue of the rate group, so whoever may not call takes no place there. Each limit a minute has a
queue of its own with the same arithmetic (`gcra.py`), in which a minute's worth may go at once after a rest.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from msgspec.structs import replace
from typing_extensions import override

from inferpoint.clock import Clock
from inferpoint.model.budgets import BUDGETS, Amount, CallerReport, LimitReport
from inferpoint.model.deadline import NEVER
from inferpoint.model.price import Price
from inferpoint.model.quota import Cost, Lane, Rate
from inferpoint.model.requests import Caller
from inferpoint.outbound.gcra import MINUTE
from inferpoint.outbound.limiter import LONGEST_PAUSE, Limiter
from inferpoint.outbound.spending import Charge, Spending
from inferpoint.outbound.ticket import Permit, RateLimiter, Reason, Refusal, Ticket
from inferpoint.storage.spending import SpendingFile
from inferpoint.telemetry.log import warn

REQUESTS, TOKENS = "requests_per_minute", "tokens_per_minute"
_IN_DOLLARS = [budget for budget in BUDGETS if budget.unit == "nano_usd"]
_NOT_AFTER = {lane: list(Lane)[: number + 1] for number, lane in enumerate(Lane)}  # the lanes that do not wait for one
MOST_KNOWN = 10_000  # callers whose limits are shown


class LimitedPermit(Permit):
    """The permit of a caller's own limits and of the rate group as one."""

    __slots__ = ("_charge", "_of_group", "_of_minute", "_price")

    def __init__(self, charge: Charge, price: Price | None, of_minute: Permit | None, of_group: Permit) -> None:
        super().__init__(of_group.waited + (of_minute.waited if of_minute else 0.0))
        self._charge = charge
        self._price = price
        self._of_minute = of_minute
        self._of_group = of_group

    @override
    def settle(self, cost: Cost) -> None:
        self._of_group.settle(cost)
        self._settle_own(cost)

    @override
    def failed(self) -> None:
        self._settle_own(Cost())

    @override
    def _end(self, *, sent: bool) -> None:
        if sent:
            self._of_group.sent()
        self._of_group.release()
        _end_own(self._charge, self._of_minute, sent=sent)

    def _settle_own(self, cost: Cost) -> None:
        self._charge.settle(_amount(cost, self._price))
        if self._of_minute is not None:
            self._of_minute.settle(Cost(requests=cost.tokens))


class CallerLimiter:
    """Lets callers with limits ask, and their calls go. Callers are told apart by their names."""

    def __init__(self, clock: Clock, spending: Spending) -> None:
        self._clock = clock
        self._spending = spending
        self._queues = Limiter(clock)  # one for each caller and limit a minute, a request in it is one of the unit
        self._waiting: dict[str, Counter[Lane]] = {}  # the units that wait in each of them
        self._known: dict[str, Caller] = {}

    async def admit(self, ticket: Ticket) -> Refusal | None:
        """Wait until the caller of *ticket* may ask once more; why it may not, where that is after the deadline."""
        self._know(ticket.caller)
        permit = await self._a_minute(REQUESTS, ticket, 1)
        if isinstance(permit, Refusal):
            return permit
        if permit is not None:
            permit.sent()
        return None

    async def permit(self, ticket: Ticket, cost: Callable[[], Cost], limiter: RateLimiter) -> Permit | Refusal:
        """The permit of *ticket*, whose caller has limits; that of its rate group is asked of *limiter* then."""
        assert ticket.caller.limits is not None
        self._know(ticket.caller)
        of_minute = None
        if ticket.caller.limits.tokens_per_minute is not None:
            if refusal := self._over_budget(ticket, cost()):  # before it waits for nothing
                return refusal
            of_minute = await self._a_minute(TOKENS, ticket, cost().tokens)
            if isinstance(of_minute, Refusal):
                return of_minute
        expected = cost()
        if refusal := self._over_budget(ticket, expected):  # others have used it meanwhile
            _release(of_minute)
            return refusal
        charge = self._spending.charge(ticket.caller.name, _amount(expected, ticket.price))
        try:
            of_group = await limiter.permit(replace(ticket, caller=replace(ticket.caller, limits=None)), cost)
        except BaseException:
            _end_own(charge, of_minute, sent=False)
            raise
        if isinstance(of_group, Refusal):
            _end_own(charge, of_minute, sent=False)
            return of_group
        return LimitedPermit(charge, ticket.price, of_minute, of_group)

    def check_affordable(self, ticket: Ticket, cost: Cost) -> Refusal | None:
        """Why several calls, of such *cost* in all, would not all be permitted: so that none is paid for in vain."""
        assert ticket.caller.limits is not None
        if refusal := self._over_budget(ticket, cost):
            return refusal
        per_minute = ticket.caller.limits.tokens_per_minute
        if per_minute is None:
            return None
        before_the_last = cost.tokens * (cost.requests - 1) / max(1, cost.requests)
        return self._late(TOKENS, ticket, per_minute, before_the_last)

    def reports(self, asking: Caller) -> Sequence[CallerReport]:
        """How the callers stand that have called of late, and the one that is *asking*, as far as they have limits."""
        if asking.limits is not None:
            self._know(asking)
        return [self._report(caller) for caller in self._known.values()]

    async def _a_minute(self, limit: str, ticket: Ticket, units: int) -> Permit | Refusal | None:
        """The permit for so many *units* of a *limit* a minute, once it is their turn; None where there is no limit."""
        per_minute: int | None = getattr(ticket.caller.limits, limit)
        if per_minute is None or not units:
            return None
        name = _queue(limit, ticket.caller)
        waiting = self._waiting.setdefault(name, Counter())
        before = sum(waiting[lane] for lane in _NOT_AFTER[ticket.lane])
        if not ticket.ahead and (refusal := self._late(limit, ticket, per_minute, before)):
            return refusal
        rate, caller = Rate(requests=per_minute, burst=per_minute), replace(ticket.caller, limits=None)
        waiting[ticket.lane] += units
        try:
            return await self._queues.permit(
                replace(ticket, group=name, rate=rate, caller=caller, deadline=NEVER), lambda: Cost(requests=units)
            )
        finally:
            waiting[ticket.lane] -= units
            if not any(waiting.values()):
                self._waiting.pop(name, None)

    def _late(self, limit: str, ticket: Ticket, per_minute: int, before: float) -> Refusal | None:
        """Why a call is refused that comes after so many units of a *limit*, if its turn would come too late."""
        owed = self._queues.owed(_queue(limit, ticket.caller))
        at_once = per_minute - 1  # beside the one that is asked for: a minute's worth is there after a rest
        seconds = max(0.0, owed + (before - at_once) * MINUTE / per_minute)
        if self._clock.monotonic() + seconds <= ticket.deadline.at:
            return None
        return Refusal(Reason.OWN_RATE, seconds, seconds, limit=limit)

    def _over_budget(self, ticket: Ticket, cost: Cost) -> Refusal | None:
        """Why a call of such *cost* is not made for its caller; for what a model may write it is not refused."""
        caller, limits = ticket.caller, ticket.caller.limits
        assert limits is not None
        if not cost.calls:
            return None
        if ticket.price is None:
            counted = [budget.name for budget in _IN_DOLLARS if budget.limit(limits) is not None]
            if counted:
                return Refusal(Reason.NO_PRICE, limit=counted[0])
        certain = _amount(cost._replace(tokens=cost.tokens - cost.output, output=0), ticket.price)
        exceeded = self._spending.exceeded(caller.name, limits, certain)
        if exceeded is None:
            return None
        budget, seconds = exceeded
        return Refusal(Reason.BUDGET, retry_after=seconds, limit=budget.name)

    def _know(self, caller: Caller) -> None:
        self._known.pop(caller.name, None)
        self._known[caller.name] = caller
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]

    def _report(self, caller: Caller) -> CallerReport:
        limits, now = caller.limits, self._clock.now()
        assert limits is not None
        reports: dict[str, LimitReport] = {}
        for name in (REQUESTS, TOKENS):
            per_minute: int | None = getattr(limits, name)
            if per_minute is not None:
                seconds = self._queues.owed(_queue(name, caller))
                reports[name] = LimitReport(per_minute, round(seconds * per_minute / MINUTE), seconds)
        for budget in BUDGETS:
            if budget.limit(limits) is not None:
                used = self._spending.used(caller.name, budget) / budget.scale
                reports[budget.name] = LimitReport(getattr(limits, budget.name), used, budget.period.left(now))
        return CallerReport(caller.name, reports)


def limiting_callers(clock: Clock, spending: Spending, longest_pause: float = LONGEST_PAUSE) -> Limiter:
    """A limiter that also holds callers to their own limits, counted by *spending*."""
    return Limiter(clock, longest_pause, callers=CallerLimiter(clock, spending))


@contextlib.contextmanager
def lasting(clock: Clock, folder: Path | None, longest_pause: float) -> Generator[Limiter]:
    """The one limiter of a machine; what callers use of their budgets outlives it in *folder*, where there is one."""
    if folder is None:
        yield limiting_callers(clock, Spending(clock), longest_pause)
        return
    with contextlib.closing(SpendingFile(folder, warn)) as file:
        spending = Spending(clock, file.spent(), file.keep)
        try:
            yield limiting_callers(clock, spending, longest_pause)
        finally:
            spending.flush()


def _queue(limit: str, caller: Caller) -> str:
    return f"{limit} {caller.name}"


def _amount(cost: Cost, price: Price | None) -> Amount:
    return Amount(cost.tokens, price.nano_usd(cost) if price else 0)


def _release(permit: Permit | None) -> None:
    if permit is not None:
        permit.release()


def _end_own(charge: Charge, of_minute: Permit | None, *, sent: bool) -> None:
    """End what a caller's own limits hold of a call, which costs nothing unless it was *sent*."""
    if not sent:
        charge.settle(Amount())
    charge.end()
    if of_minute is not None:
        if sent:
            of_minute.sent()
        of_minute.release()
