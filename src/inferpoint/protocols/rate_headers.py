"""Readers of the headers that tell of a provider's limits; a header that is missing or malformed tells nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from inferpoint.model.quota import Allowance, Bucket

LONGEST = 86_400.0  # a header may say anything: what takes longer than a day to be full is told as taking a day
_NOTHING = Allowance()
_PARTS = ("limit", "remaining", "reset")
_COUNT = re.compile(r"[0-9]{1,18}")
# As Go writes a duration. A number without a unit is none: some servers mean seconds by it, some a time of day.
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(h|ms|m|s|us|µs|ns)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_MOMENT = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})")


def openai(headers: Mapping[str, str], _now: datetime) -> Allowance:
    """OpenAI's `x-ratelimit-*`, whose resets are durations. https://platform.openai.com/docs/guides/rate-limits."""
    if "x-ratelimit-limit-requests" not in headers and "x-ratelimit-limit-tokens" not in headers:
        return _NOTHING  # as most of those who speak like OpenAI

    def bucket(what: str) -> Bucket | None:
        limit, remaining, reset = (headers.get(f"x-ratelimit-{part}-{what}", "") for part in _PARTS)
        return _bucket(limit, remaining, duration(reset))

    return Allowance(bucket("requests"), bucket("tokens"))


def anthropic(headers: Mapping[str, str], now: datetime) -> Allowance:
    """Anthropic's `anthropic-ratelimit-*`, whose resets are RFC 3339 times. https://docs.anthropic.com/en/api/rate-limits.

    Its `tokens` are of whichever limit is the tightest in effect, be it of input, output or a workspace, and
    `input-tokens` of what a call is known to cost before it is sent. Told is the one with the smaller share left, which
    runs dry first; with equal shares that of input, as a small limit on output would slow down what only reads.
    """

    def bucket(what: str) -> Bucket | None:
        limit, remaining, reset = (headers.get(f"anthropic-ratelimit-{what}-{part}", "") for part in _PARTS)
        return _bucket(limit, remaining, _until(reset, now))

    tokens = [told for told in (bucket("input-tokens"), bucket("tokens")) if told is not None]
    tightest = min(tokens, key=lambda told: told.remaining / told.limit, default=None)
    return Allowance(bucket("requests"), tightest)


def _bucket(limit: str, remaining: str, full_in: float | None) -> Bucket | None:
    """None too for a limit of 0, by which servers mean that there is none, and for more left than there is."""
    if full_in is None or not (_COUNT.fullmatch(limit) and _COUNT.fullmatch(remaining)):
        return None
    size, left = int(limit), int(remaining)
    return Bucket(size, left, min(max(full_in, 0.0), LONGEST)) if 0 < size >= left else None


def duration(text: str) -> float | None:
    """The seconds of a duration as Go writes it, such as `1m2.5s`; None for any other text."""
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def _until(text: str, now: datetime) -> float | None:
    if not _MOMENT.fullmatch(text):
        return None
    try:
        return (datetime.fromisoformat(text) - now).total_seconds()
    except ValueError:  # no such day or hour
        return None
