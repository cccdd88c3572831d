"""How much of a provider may be used: what was configured, what its replies tell, and what a call is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Rate:
    """What a group of calls may use: requests and tokens a minute, None for no limit.

    `burst` is how many requests may go at once after a rest; 1 spaces them evenly.
    """

    requests: int | None = None
    tokens: int | None = None
    burst: int = 1


@dataclass(frozen=True)
class Bucket:
    """One limit as a provider's reply tells it: its size, what is left of it, in how many seconds it is full again."""

    limit: int
    remaining: int
    full_in: float


@dataclass(frozen=True)
class Allowance:
    """What a provider's reply tells of its limits; None for what it does not tell."""

    requests: Bucket | None = None
    tokens: Bucket | None = None


class Lane(StrEnum):
    """What a call is for, the most urgent first: people wait for searches, nobody for what is ingested."""

    SEARCH = "search"
    OTHER = "other"
    INGEST = "ingest"


@dataclass(frozen=True)
class GroupReport:
    """How a group stands: what was configured, what its provider told, who waits in each lane and for how long.

    `paused` and `oldest` are in seconds.
    """

    group: str
    service: str
    rate: Rate
    told: Allowance
    paused: float
    waiting: Mapping[Lane, int]
    oldest: Mapping[Lane, float]
