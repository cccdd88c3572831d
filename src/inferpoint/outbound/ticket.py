"""What goes out: a job, the ticket by which it waits for its turn, the permit to send it, or the refusal of one."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol, Self, final

import msgspec

from inferpoint.model.budgets import CallerReport
from inferpoint.model.deadline import NEVER, Deadline
from inferpoint.model.http import Call, Reply
from inferpoint.model.price import Price
from inferpoint.model.quota import Allowance, Cost, GroupReport, Lane, Rate
from inferpoint.model.requests import Caller, RequestStats


class Ticket(msgspec.Struct, frozen=True):
    """A place in the queue of a rate group, as a value that can be sent to the process which has the queue.

    Calls of equal `group` share the queue and the limits of `rate`. `lane` is what the call is for, `deadline` by when
    it must begin, and `bears_until` by when a pause of its provider must be over. A ticket that goes `ahead` is served
    before the other tickets of its caller. `endpoint` is the id of the one that calls, and `price` what its provider
    charges, where that is known.
    """

    group: str
    rate: Rate
    caller: Caller
    lane: Lane = Lane.OTHER
    service: str = ""
    deadline: Deadline = NEVER
    ahead: bool = False
    bears_until: float = math.inf
    endpoint: str = ""
    price: Price | None = None


class Reason(StrEnum):
    """Why a call is not made."""

    FULL = "full"  # too many wait
    LATE = "late"  # the turn would come, or has come, after the deadline
    PAUSED = "paused"  # the provider asked to wait until after the deadline, or longer than is borne
    BROKEN = "broken"  # the group's calls to the address fail: it is left alone until after the deadline
    UNREACHABLE = "unreachable"  # the address cannot be reached, and is left alone until after the deadline
    UNWANTED = "unwanted"  # whoever wanted the call has left
    OWN_RATE = "own_rate"  # the caller's own turn, by a limit of its key a minute, would come after the deadline
    BUDGET = "budget"  # the call would take more than what is left of a budget of its caller
    NO_PRICE = "no_price"  # the caller has a budget in dollars, and nobody said what the endpoint costs
    STOPPING = "stopping"  # the process that has the queues is gone


@final
class Refusal(msgspec.Struct, frozen=True):
    """That a call is not made, as data: `calls/refusals.py` has the words.

    `wait` is how many seconds the call would have to wait, or has waited; `retry_after` in how many seconds another try
    may succeed. `address` is whose breaker refused, where one did, and `limit` the name of the caller's limit that did.
    """

    reason: Reason
    wait: float = 0.0
    retry_after: float | None = None
    address: str = ""
    limit: str = ""


class Permit(ABC):
    """The permission to make one call now, after having `waited` so many seconds.

    A context manager: when it is left the permit is released, and a call that was not `sent` until then costs nothing.
    """

    __slots__ = ("_is_over", "_is_sent", "waited")

    def __init__(self, waited: float) -> None:
        self.waited = waited
        self._is_sent = False
        self._is_over = False

    def sent(self) -> None:
        """Say that the call is on its way: from now on it is charged."""
        self._is_sent = True

    @abstractmethod
    def settle(self, cost: Cost) -> None:
        """Say what the call costs, as far as is known now; the last word holds."""

    def failed(self) -> None:  # noqa: B027 - most permits are of limits that count what failed as well
        """Say that the provider answered nothing that is paid for, so that it costs the caller nothing."""

    @abstractmethod
    def _end(self, *, sent: bool) -> None:
        """Give the turn back, unless the call was *sent*."""

    def release(self) -> None:
        """End the permit; a second time changes nothing."""
        if not self._is_over:
            self._is_over = True
            self._end(sent=self._is_sent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()


class RateLimiter(Protocol):
    """Where calls wait for their turn, in this process or in another that it asks.

    `longest_pause` is for how many seconds at most one answer of a provider pauses or slows down a group.
    """

    longest_pause: float

    @abstractmethod
    async def permit(self, ticket: Ticket, cost: Callable[[], Cost]) -> Permit | Refusal:
        """The permit of *ticket*, waited for; *cost* is asked when its turn comes.

        Refused at once when the queue is full, or the turn would come after the ticket's deadline; but not a ticket
        that goes ahead, as its call had a turn before.
        """

    @abstractmethod
    async def admit(self, ticket: Ticket) -> Refusal | None:
        """Wait until the caller of *ticket*, which has limits of its own, may ask once more; or why it may not."""

    @abstractmethod
    async def check_deadline(self, ticket: Ticket, calls: int) -> Refusal | None:
        """Why `permit` would refuse the last of so many calls, if it would, so that none of them is made in vain."""

    @abstractmethod
    async def check_affordable(self, ticket: Ticket, cost: Cost) -> Refusal | None:
        """Why calls that cost so much in all would not all be permitted to the caller of *ticket*, which has limits."""

    @abstractmethod
    def pause(self, group: str, seconds: float, because: str) -> None:
        """Let no call of *group* go for so many seconds, as its provider asked; *because* is shown to users."""

    @abstractmethod
    def release(self, group: str) -> None:
        """End the pause of *group*, and what its provider told that slows it down."""

    @abstractmethod
    def learn(self, group: str, allowance: Allowance) -> None:
        """Note what the provider of *group* tells of its limits, and slow down where little is left."""

    @abstractmethod
    async def groups(self) -> Sequence[GroupReport]:
        """The state of every group, over all workers."""

    @abstractmethod
    async def callers(self, asking: Caller) -> Sequence[CallerReport]:
        """The state of the callers with limits that have called of late, and of the one that is *asking*."""


class Job(Protocol):
    """One call to a provider, from its place in the queue to its reply: all that its way out asks of it.

    `service` names the provider's service for counters, `group` the rate group whose limits the call counts against,
    `caller` for whom it is and `lane` what for; `stats` counts what happens. Until its turn has come a job may grow,
    and its deadline move.
    """

    service: str
    group: str
    caller: Caller
    lane: Lane
    stats: RequestStats

    @abstractmethod
    def ticket(self, *, ahead: bool) -> Ticket:
        """The place to wait at; *ahead* of its caller's others once it had a turn."""

    @abstractmethod
    def cost(self) -> Cost:
        """The cost of the call in each limit, as far as is known; asked when its turn comes."""

    @abstractmethod
    def deadline(self) -> Deadline:
        """By when an attempt must begin, so that its answer still comes in time."""

    @abstractmethod
    def call(self) -> Call | None:
        """The call, which grows no more; None when nobody wants it any more. It is asked for when the turn has come."""

    def sign(self, call: Call, _now: datetime, /) -> Call:
        """The call with its signature, made anew for every attempt; as it is where it needs none."""
        return call

    def status(self, reply: Reply, /) -> int:
        """The status that a whole reply stands for: that of its body's error, where a good one has an error in it."""
        return reply.status

    def pause(self, _reply: Reply, /) -> float | None:
        """The seconds after which a refused call may come again, as the body of the refusal tells."""
        return None

    def is_final(self, _reply: Reply | None, /) -> bool:
        """Whether a refusal, or None where the provider hung up, is one after which there is no other attempt."""
        return False

    def allowance(self, _headers: Mapping[str, str], _now: datetime, /) -> Allowance:
        """What a reply's headers tell of the provider's limits."""
        return Allowance()
