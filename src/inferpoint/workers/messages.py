"""The messages between workers and their supervisor."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from inferpoint.model.quota import Allowance, Cost, GroupReport
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


class Checked(Numbered, frozen=True):
    """The worker asks whether so many more calls would be in time."""

    ticket: Ticket
    calls: int


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


class Granted(Numbered, frozen=True):
    """The turn has come after *waited* seconds, or the calls would be in time."""

    waited: float = 0.0


class Refused(Numbered, frozen=True):
    """The answer that no permit is given, and why."""

    refusal: Refusal


class Reported(Numbered, frozen=True):
    """The state of all groups."""

    groups: Sequence[GroupReport]


class Stop(Message, frozen=True):
    """The worker is to stop, finishing what it has begun unless it is *forced*."""

    forced: bool


ToLimiter = Wanted | Ahead | Left | Settled | Done | Checked | Paused | Released | Learnt | Watched
FromLimiter = Granted | Leased | Refused | Reported
