"""What workers and their supervisor say to each other. A `number` is the worker's own, and never used again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from inferpoint.model.quota import Allowance, Cost, GroupReport
from inferpoint.outbound.ticket import Refusal, Ticket


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Something to say."""


class Ready(Message, frozen=True):
    """The worker takes connections from now on."""


class Wanted(Message, frozen=True):
    """The worker waits for a permit; *cost* is the estimate so far."""

    number: int
    ticket: Ticket
    cost: Cost


class Left(Message, frozen=True):
    """The worker waits no more, and uses no permit that it was given meanwhile."""

    number: int


class Settled(Message, frozen=True):
    """What the call of a permit costs, as far as is known now."""

    number: int
    cost: Cost


class Done(Message, frozen=True):
    """Nothing more will be said of a permit, whose call was sent."""

    number: int


class Checked(Message, frozen=True):
    """The worker asks whether so many more calls would be in time."""

    number: int
    ticket: Ticket
    calls: int


class Paused(Message, frozen=True):
    """A provider said to wait."""

    group: str
    seconds: float


class Learnt(Message, frozen=True):
    """A provider told of its limits."""

    group: str
    allowance: Allowance


class Watched(Message, frozen=True):
    """The worker asks for the state of all groups."""

    number: int


class Granted(Message, frozen=True):
    """The turn has come after *waited* seconds, or the calls would be in time."""

    number: int
    waited: float = 0.0


class Refused(Message, frozen=True):
    """There is no permit, and why."""

    number: int
    refusal: Refusal


class Reported(Message, frozen=True):
    """The state of all groups."""

    number: int
    groups: Sequence[GroupReport]


class Stop(Message, frozen=True):
    """The worker is to stop, finishing what it has begun unless it is *forced*."""

    forced: bool


ToLimiter = Wanted | Left | Settled | Done | Checked | Paused | Learnt | Watched
FromLimiter = Granted | Refused | Reported
