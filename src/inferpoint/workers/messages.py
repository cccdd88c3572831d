"""What workers and their supervisor say to each other. A `number` is the worker's own, and never used again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from inferpoint.errors import Kind
from inferpoint.model.quota import Allowance, GroupReport
from inferpoint.outbound.limiter import Place


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Something to say."""


class Ready(Message, frozen=True):
    """The worker takes connections from now on."""


class Wanted(Message, frozen=True):
    """The worker waits for a turn; *tokens* is the estimate so far."""

    number: int
    place: Place
    tokens: int
    first: bool


class Left(Message, frozen=True):
    """It waits no more, and uses no turn that it was given meanwhile."""

    number: int


class Settled(Message, frozen=True):
    """A turn costs so many tokens, as far as is known now."""

    number: int
    tokens: int


class Done(Message, frozen=True):
    """Nothing more will be said of a turn."""

    number: int


class Weighed(Message, frozen=True):
    """The worker asks whether so many more calls would be in time."""

    number: int
    place: Place
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
    """The worker asks how all groups stand."""

    number: int


class Granted(Message, frozen=True):
    """The turn has come, or the calls would be in time; *waited* is in seconds."""

    number: int
    waited: float = 0.0


class Refused(Message, frozen=True):
    """There is no turn, as an `InferenceError` has it."""

    number: int
    kind: Kind
    problems: Sequence[str]
    retry_after: float | None
    whose_limit: str | None


class Reported(Message, frozen=True):
    """How all groups stand."""

    number: int
    groups: Sequence[GroupReport]


class Stop(Message, frozen=True):
    """The worker is to stop, finishing what it has begun unless it is *forced*."""

    forced: bool


ToLimiter = Wanted | Left | Settled | Done | Weighed | Paused | Learnt | Watched
FromLimiter = Granted | Refused | Reported
