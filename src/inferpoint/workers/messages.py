"""The messages between workers and their supervisor."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from inferpoint.model.budgets import CallerReport
from inferpoint.model.quota import Allowance, Cost, GroupReport
from inferpoint.model.requests import Caller
from inferpoint.outbound.ticket import Refusal, Ticket


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A message between a worker and its supervisor."""


class Numbered(Message, frozen=True):
    """A message about what a worker has asked under a `number` of its own, which is never used again."""

    number: int


class Ready(Message, frozen=True):
    """The worker takes connections from now on."""


class Wanted(Numbered, frozen=True):
    """The worker waits for a permit; *cost* is the estimate so far."""

    ticket: Ticket
    cost: Cost


class Left(Numbered, frozen=True):
    """The worker waits no more, and uses no permit that it was given meanwhile."""


class Settled(Numbered, frozen=True):
    """The *cost* of the call of a permit, as far as is known now."""

    cost: Cost


class Done(Numbered, frozen=True):
    """The worker is done with a permit, whose call was sent."""


class Ahead(Message, frozen=True):
    """The worker would have a group's turns for so many calls like that of *ticket*, before they are there."""

    ticket: Ticket
    calls: int


class Leased(Message, frozen=True):
    """So many *turns* of a group are charged, for calls that go soon."""

    group: str
    turns: int


class Failed(Numbered, frozen=True):
    """The provider answered the call of a permit with nothing that is paid for."""


class Admitted(Numbered, frozen=True):
    """The worker asks whether a caller with limits may ask once more, and waits until it may."""

    ticket: Ticket


class Checked(Numbered, frozen=True):
    """The worker asks whether so many more calls would be in time."""

    ticket: Ticket
    calls: int


class Weighed(Numbered, frozen=True):
    """The worker asks whether a caller with limits may make calls that cost so much in all."""

    ticket: Ticket
    cost: Cost


class Paused(Message, frozen=True):
    """A provider asked to wait."""

    group: str
    seconds: float
    because: str


class Released(Message, frozen=True):
    """The pause of a group is over."""

    group: str


class Learnt(Message, frozen=True):
    """A provider told of its limits."""

    group: str
    allowance: Allowance


class Watched(Numbered, frozen=True):
    """The worker asks for the state of all groups."""


class Counted(Numbered, frozen=True):
    """The worker asks how the callers with limits stand, among them the one that is *asking*."""

    asking: Caller


class Granted(Numbered, frozen=True):
    """The turn has come after *waited* seconds, or the calls would be in time."""

    waited: float = 0.0


class Refused(Numbered, frozen=True):
    """The answer that no permit is given, and why."""

    refusal: Refusal


class Reported(Numbered, frozen=True):
    """The state of all groups."""

    groups: Sequence[GroupReport]


class ReportedCallers(Numbered, frozen=True):
    """The state of the callers with limits."""

    callers: Sequence[CallerReport]


class Stop(Message, frozen=True):
    """The worker is to stop, finishing what it has begun unless it is *forced*."""

    forced: bool


Question = Wanted | Admitted | Checked | Weighed | Watched | Counted
ToLimiter = Question | Ahead | Left | Settled | Failed | Done | Paused | Released | Learnt
FromLimiter = Granted | Leased | Refused | Reported | ReportedCallers
