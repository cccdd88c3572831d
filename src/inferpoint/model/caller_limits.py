"""How much one caller may use, whichever endpoints it calls, and how that is written in the metadata of its key."""

from __future__ import annotations

import msgspec

from inferpoint.errors import Subject, invalid
from inferpoint.model.fields import Fields

MOST = 10**18  # of any unit; what is counted in billionths of a dollar fits 64 bits with room to spare
MOST_USD = 10**9
MOST_SHARE = 1000.0  # beside a share of 1, which then is as good as none


class CallerLimits(msgspec.Struct, frozen=True, omit_defaults=True):
    """How much a caller may use in a minute, a day and a month (both of UTC); None for no limit.

    `requests_per_minute` counts what the caller asks of the server, the others what its calls to providers take.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    usd_per_day: float | None = None
    usd_per_month: float | None = None


UNLIMITED = CallerLimits()


def take_limits(fields: Fields) -> CallerLimits | None:
    """The limits among the members of a key's `metadata.inferpoint`, which are taken out of *fields*; None without any.

    `INVALID`, naming the member, when one is no positive number or a budget is of something unknown.
    """
    requests, tokens = _count(fields, "requests_per_minute"), _count(fields, "tokens_per_minute")
    limits = CallerLimits(requests, tokens)
    if (members := fields.object("budget")) is not None:
        budget = Fields(members, fields.path("budget"))
        limits = CallerLimits(
            requests,
            tokens,
            tokens_per_day=_count(budget, "tokens_per_day"),
            tokens_per_month=_count(budget, "tokens_per_month"),
            usd_per_day=_dollars(budget, "usd_per_day"),
            usd_per_month=_dollars(budget, "usd_per_month"),
        )
        budget.end()
    return None if limits == UNLIMITED else limits


def take_share(fields: Fields) -> float:
    """The weight of the caller where several wait in one queue, taken out of *fields*; 1 where nothing is said."""
    share = fields.take("share", float)
    return 1.0 if share is None else float(_positive(fields, "share", share, MOST_SHARE))


def _count(fields: Fields, name: str) -> int | None:
    value = fields.take(name, int)
    return None if value is None else int(_positive(fields, name, value, MOST))


def _dollars(fields: Fields, name: str) -> float | None:
    value = fields.take(name, float)
    return None if value is None else float(_positive(fields, name, value, MOST_USD))


def _positive(fields: Fields, name: str, value: float, most: float) -> float:
    if not 0 < value <= most:  # which a NaN is not
        raise invalid(f"{fields.name(name)} must be greater than 0, and [{most:.0f}] at most", subject=Subject.BODY)
    return value
