"""What has a breaker: the calls of each rate group to an address, and each address.

One model of many that fails, or one key, is the fault of nobody else at that address: its rate group's calls alone are
held back. An address is, when it cannot be reached, which is so for whoever calls it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from inferpoint.clock import Clock
from inferpoint.model.deadline import Deadline
from inferpoint.model.quota import BreakerReport
from inferpoint.outbound.breaker import QUIET, Breaker, BreakerPermit, State
from inferpoint.outbound.ticket import Reason, Refusal

CAPACITY = 2000
_EVERY_GROUP = ""


class CallPermit(msgspec.Struct, eq=False):
    """The permission of one call by both breakers: that of its rate group, and that of the address.

    The holder says what became of the call, and releases the permit on every path; the first word counts.
    """

    group: BreakerPermit
    address: BreakerPermit

    @property
    def holds(self) -> bool:
        """Whether the call may still be made; others may have failed since."""
        return self.group.holds and self.address.holds

    def ended(self, *, failed: bool) -> None:
        """Say that the address was reached, and whether the call *failed* there."""
        self.group.breaker.ended(self.group, failed=failed)
        self.address.breaker.ended(self.address, failed=False)

    def unanswered(self) -> None:
        """Say that no answer came in a fair time: the group's failure, which tells nothing of the address."""
        self.group.ended(failed=True)
        self.address.release()

    def unreachable(self) -> None:
        """Say that the address was not reached, which tells nothing of the group."""
        self.address.ended(failed=True)
        self.group.release()

    def release(self) -> None:
        """End the permit: another call may be made in its place."""
        self.address.release()
        self.group.release()


class Breakers:
    """All breakers, by address and rate group; those that have long been quiet are forgotten."""

    def __init__(self, clock: Clock, capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._capacity = capacity
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def at_once(self, address: str, group: str, turn: str) -> CallPermit | None:
        """The permit of a call of *group* to *address* now, by the turn of *turn*; None where there is none."""
        now = self._clock.monotonic()
        own = self._of(address, group, now).at_once(turn)
        if own is None:
            return None
        shared = self._of(address, _EVERY_GROUP, now).at_once(group)
        if shared is None:
            own.release()
            return None
        return CallPermit(own, shared)

    async def enter(
        self, address: str, group: str, turn: str, deadline: Callable[[], Deadline]
    ) -> CallPermit | Refusal:
        """The permit of a call, waited for; a refusal at once when it would come too late, or too many wait.

        *turn* is whose turn it is among the group's, as *group* is among all who call the address. Who waits for the
        address has its group's permit already, never the other way round: so no two wait for each other.
        """
        while True:
            now = self._clock.monotonic()
            if refusal := self._of(address, _EVERY_GROUP, now).refusal(deadline()):
                return refusal
            own = await self._of(address, group, now).enter(turn, deadline)
            if isinstance(own, Refusal):
                return own
            try:
                shared = await self._of(address, _EVERY_GROUP, self._clock.monotonic()).enter(group, deadline)
            except asyncio.CancelledError:
                own.release()
                raise
            if isinstance(shared, Refusal):
                own.release()
                return shared
            permit = CallPermit(own, shared)
            if permit.holds:
                return permit
            permit.release()

    def is_closed(self, address: str, group: str) -> bool:
        """Whether calls of *group* to *address* are let through freely, and not one at a time."""
        now = self._clock.monotonic()
        return all(self._of(address, name, now).state is State.CLOSED for name in (group, _EVERY_GROUP))

    def states(self) -> Sequence[BreakerReport]:
        """The states of what was called of late, in a breaker's usual words."""
        now = self._clock.monotonic()
        return [
            BreakerReport(address, group, breaker.state.shown)
            for (address, group), breaker in self._breakers.items()
            if not breaker.is_quiet(now)
        ]

    def _of(self, address: str, group: str, now: float) -> Breaker:
        breaker = self._breakers.get((address, group))
        if breaker is None or (now - breaker.heard > QUIET and breaker.is_quiet(now)):
            self._breakers = {key: kept for key, kept in self._breakers.items() if not kept.is_quiet(now)}
            reason = Reason.BROKEN if group else Reason.UNREACHABLE
            breaker = self._breakers[address, group] = Breaker(address, reason, self._clock, self._capacity)
        breaker.heard = now
        return breaker
