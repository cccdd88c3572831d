"""How much of a provider may be used: what was configured, what its replies tell, what a call costs and is for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

T = TypeVar("T")


class Cost(NamedTuple):
    """What a call takes of each unit that providers limit: one request, and so many tokens; and what is paid for it.

    Of the tokens `output` are written by the model, `cached` and `cache_written` sent and known to the provider's cache
    before or from then on. `calls` is 1 where the call is paid for, and 0 for one that is refused or free.
    """

    requests: int = 1
    tokens: int = 0
    output: int = 0
    cached: int = 0
    cache_written: int = 0
    calls: int = 0


# A unit is named here, as a first field of `Cost` and in `PerUnit`, its setting is `{unit}_per_minute`: all else loops.
UNITS = ("requests", "tokens")
_values: Callable[[Any], tuple[Any, ...]] = attrgetter(*UNITS)


class PerUnit(msgspec.Struct, Generic[T], frozen=True):
    """A value for each unit that providers limit; None where there is no limit, or it is not known."""

    requests: T | None = None
    tokens: T | None = None

    def values(self) -> tuple[T | None, ...]:
        """The value of every unit, in the order of `UNITS` and `Cost`."""
        return _values(self)

    def present(self) -> Iterator[tuple[str, T]]:
        """The units that have a value, each with it."""
        return ((unit, value) for unit, value in zip(UNITS, self.values(), strict=True) if value is not None)


class Rate(PerUnit[int], frozen=True):
    """What a group of calls may use of each unit in a minute, None for no limit.

    `burst` is how many requests may go at once after a rest; 1 spaces them evenly.
    """

    burst: int = 1


class Bucket(msgspec.Struct, frozen=True):
    """One limit as a provider's reply tells it: its size, what is left of it, in how many seconds it is full again."""

    limit: int
    remaining: int
    full_in: float


class Allowance(PerUnit[Bucket], frozen=True):
    """What a provider's reply tells of its limits; None for what it does not tell."""


class Lane(StrEnum):
    """What a call is for, the most urgent first: people wait for searches, nobody for what is ingested."""

    SEARCH = "search"
    OTHER = "other"
    INGEST = "ingest"


class GroupReport(msgspec.Struct, frozen=True):
    """How a group stands: what was configured, what its provider told, who waits in each lane and for how long.

    `paused` and `oldest` are in seconds; `paused_because` is a sentence on why the group makes no calls, empty when it
    does. `endpoint` is the id of the one that called last.
    """

    group: str
    service: str
    rate: Rate
    told: Allowance
    paused: float
    paused_because: str
    waiting: Mapping[Lane, int]
    oldest: Mapping[Lane, float]
    endpoint: str = ""


class BreakerReport(msgspec.Struct, frozen=True):
    """The state of the breaker of an address, or with a `group` of that rate group's calls to it."""

    address: str
    group: str
    state: str
