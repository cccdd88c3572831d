"""Budgets of callers: each is so much of one unit in one period, and a period ends at midnight in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec

from inferpoint.model.caller_limits import CallerLimits
from inferpoint.model.price import NANO


class Period(StrEnum):
    """The time after which a budget is whole again."""

    DAY = "day"
    MONTH = "month"

    def name_at(self, now: datetime) -> str:
        """The name of the period of this length that *now* is in: `2026-11-28`, `2026-11`; later ones sort later."""
        day = now.date().isoformat()
        return day if self is Period.DAY else day[:7]

    def left(self, now: datetime) -> float:
        """The seconds until the next one begins."""
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        begin = midnight + timedelta(days=1)
        if self is Period.MONTH:
            begin = (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
        return (begin - now).total_seconds()


class Amount(NamedTuple):
    """What calls take: tokens, and billionths of a US dollar."""

    tokens: int = 0
    nano_usd: int = 0

    def plus(self, other: Amount, times: int = 1) -> Amount:
        """The sum of both, the *other* taken so many times."""
        return Amount(self.tokens + times * other.tokens, self.nano_usd + times * other.nano_usd)


class Budget(NamedTuple):
    """A member of `CallerLimits` that is so much of the `unit` of an `Amount` in a `period`."""

    name: str
    period: Period
    unit: str

    def limit(self, limits: CallerLimits) -> int | None:
        """How much of its unit may be used, None for no limit."""
        most = getattr(limits, self.name)
        return None if most is None else round(most * self.scale)

    def of(self, amount: Amount) -> int:
        """How much of its unit an *amount* has."""
        return getattr(amount, self.unit)

    @property
    def scale(self) -> int:
        """How many of its unit are one of what its limit is said in."""
        return NANO if self.unit == "nano_usd" else 1


BUDGETS = (
    Budget("tokens_per_day", Period.DAY, "tokens"),
    Budget("tokens_per_month", Period.MONTH, "tokens"),
    Budget("usd_per_day", Period.DAY, "nano_usd"),
    Budget("usd_per_month", Period.MONTH, "nano_usd"),
)


class Spent(NamedTuple):
    """What a caller has used in the period called `period`."""

    caller: str
    period: str
    amount: Amount


class LimitReport(msgspec.Struct, frozen=True):
    """How a limit of a caller stands: what may be used, what is, and in how many seconds all of it is there again."""

    limit: float
    used: float
    whole_in: float


class CallerReport(msgspec.Struct, frozen=True):
    """How a caller stands, by the names of its limits."""

    caller: str
    limits: dict[str, LimitReport]
