"""When the next call of a rate group may go: requests and tokens a minute, evenly spaced, and what a provider tells.

Each limit is one number, the moment at which all that was taken so far is paid for (the generic cell rate algorithm):
a call may go as soon as that moment has come, and moves it by what it costs. So in any w seconds no more than
rate · w + burst go, the last of them whatever it costs. A timer that is late is made up for, at most `LATE` of it:
without that a busy machine would leave a tenth of every limit unused.
"""

from __future__ import annotations

from typing import NamedTuple

from inferpoint.model.quota import Allowance, Bucket, Rate

MINUTE = 60.0
LATE = 0.05  # seconds by which a timer may be late before the time is lost
SCARCE = 0.1  # the part of a provider's limit below which its own pace is followed
LONGEST_TOLD = 120.0  # seconds; limits that take longer to fill are not a minute's, and their pace is none to follow
LONGEST_PAUSE = 86_400.0
_SLOWLY = 1 / 50


class Taken(NamedTuple):
    """What one call has taken: its number among all, the tokens it was charged, and since when time was not lost."""

    number: int
    tokens: int
    period: int


class Gcra:
    """One limit, in units a minute; None is no limit."""

    def __init__(self, now: float) -> None:
        self._told: Bucket | None = None
        self._told_at = now
        self.period = 0  # goes up whenever time was lost: what was charged before cannot be given back
        self._paid_at = now
        self._slowed: float | None = None
        self._slowed_until = now

    def seconds(self, units: float, per_minute: int | None, now: float) -> float:
        """How long *units* take at the pace that holds."""
        slowed = self._slowed
        if slowed is not None and now < self._slowed_until and (per_minute is None or slowed < per_minute):
            return units * MINUTE / slowed
        return units * MINUTE / per_minute if per_minute else 0.0

    def free_at(self, saved: float) -> float:
        """From when on a call may go, where a rest saves up *saved* seconds."""
        return self._paid_at - saved

    def take(self, seconds: float, since: float) -> None:
        """Charge *seconds* from *since* on; what was free before is lost."""
        if self._paid_at < since:
            self._paid_at = since
            self.period += 1
        self._paid_at += seconds

    def correct(self, seconds: float, period: int) -> None:
        """Charge *seconds* more for a call of *period*, or less when negative."""
        if seconds > 0 or period == self.period:
            self._paid_at += seconds

    def learn(self, bucket: Bucket, now: float) -> None:
        """Follow the provider's own pace where little is left: what it has refilled, by the time that it took."""
        self._told, self._told_at = bucket, now
        self._slowed = None
        used = bucket.limit - bucket.remaining
        if bucket.remaining >= SCARCE * bucket.limit or used <= 0 or not 0 < bucket.full_in <= LONGEST_TOLD:
            return
        self._slowed = used * MINUTE / bucket.full_in
        self._slowed_until = now + bucket.full_in
        if bucket.remaining == 0:
            self._paid_at = max(self._paid_at, now + MINUTE / self._slowed)

    def told(self, now: float) -> Bucket | None:
        """What the provider told last, and when that will be full again; all is left once that time has come."""
        if self._told is None:
            return None
        limit, full_in = self._told.limit, max(0.0, self._told_at + self._told.full_in - now)
        return Bucket(limit, self._told.remaining if full_in else limit, full_in)


class Pacer:
    """The two limits of a group, and its pauses."""

    def __init__(self, now: float) -> None:
        self.requests = Gcra(now)
        self.tokens = Gcra(now)
        self.paused_until = now
        self.typical = 0.0  # seconds that a call took of late
        self._number = 0

    def free_at(self, rate: Rate) -> float:
        """From when on a call may go."""
        saved = (rate.burst - 1) * MINUTE / rate.requests if rate.requests else 0.0
        return max(self.requests.free_at(saved), self.tokens.free_at(saved), self.paused_until)

    def seconds(self, rate: Rate, tokens: int, now: float) -> float:
        """How long a call of so many tokens keeps others waiting."""
        return max(self.requests.seconds(1, rate.requests, now), self.tokens.seconds(tokens, rate.tokens, now))

    def take(self, rate: Rate, tokens: int, now: float, due: float) -> Taken:
        """Charge a call that goes now and should have gone when it was *due*: that a timer is late is made up for."""
        requests, spent = self.requests.seconds(1, rate.requests, now), self.tokens.seconds(tokens, rate.tokens, now)
        since = max(due, now - LATE)
        self.requests.take(requests, since)
        self.tokens.take(spent, since)
        self.typical += (max(requests, spent) - self.typical) * _SLOWLY
        self._number += 1
        return Taken(self._number, tokens, self.tokens.period)

    def settle(self, rate: Rate, taken: Taken, tokens: int, now: float) -> Taken:
        """Charge *tokens* for a call instead of what it was charged before."""
        self.tokens.correct(self.tokens.seconds(tokens - taken.tokens, rate.tokens, now), taken.period)
        return Taken(taken.number, tokens, taken.period)

    def give_back(self, rate: Rate, taken: Taken, now: float) -> None:
        """A call did not go. Its place in time is given on only while nobody has gone since."""
        self.settle(rate, taken, 0, now)
        if taken.number == self._number:
            self.requests.correct(-self.requests.seconds(1, rate.requests, now), self.requests.period)

    def pause(self, seconds: float, now: float) -> None:
        """Nobody goes for so many seconds."""
        self.paused_until = max(self.paused_until, now + min(seconds, LONGEST_PAUSE))

    def learn(self, allowance: Allowance, now: float) -> None:
        """Take note of what the provider tells of its limits."""
        if allowance.requests is not None:
            self.requests.learn(allowance.requests, now)
        if allowance.tokens is not None:
            self.tokens.learn(allowance.tokens, now)

    def told(self, now: float) -> Allowance:
        """What the provider told last, as it is now."""
        return Allowance(self.requests.told(now), self.tokens.told(now))
