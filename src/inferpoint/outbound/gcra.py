"""When the next call of a rate group may go: so much of each unit a minute, evenly spaced, and what a provider tells.

Each limit is one number, the moment at which all that was taken so far is paid for (the generic cell rate algorithm):
a call may go as soon as that moment has come, and moves it by what it costs. So in any w seconds no more than
rate · w + burst go, the last of them whatever it costs. A timer that is late is made up for, at most `LATE` of it:
without that a busy machine would leave a tenth of every limit unused.
"""

from __future__ import annotations

import math
from itertools import repeat

import msgspec

from inferpoint.model.quota import UNITS, Allowance, Bucket, Cost, Rate

MINUTE = 60.0
LATE = 0.05  # seconds by which a timer may be late before the time is lost
SCARCE = 0.1  # the part of a provider's limit below which its own pace is followed
AHEAD = 0.001  # seconds of a group's time that may be charged before its calls are there
LONGEST_TOLD = 120.0  # seconds; limits that take longer to fill are not a minute's, and their pace is none to follow
_SLOWLY = 1 / 50


class Taken(msgspec.Struct, frozen=True):
    """What one call has taken: its number among all, and what it was charged at which rate."""

    number: int
    rate: Rate
    cost: Cost


class Gcra:
    """One limit, in units a minute; None is no limit. `slowed` is the pace that a provider told, where it is slower."""

    def __init__(self, now: float) -> None:
        self._told: Bucket | None = None
        self._told_at = now
        self.paid_at = now  # from then on the next call may go
        self._unbroken_since = 0  # the call before which time was lost: what was charged earlier cannot be given back
        self.slowed: float | None = None
        self._slowed_until = now

    def seconds(self, units: float, per_minute: int | None, now: float) -> float:
        """How long *units* take at the pace that holds; a provider's slows down no longer than until its end."""
        usual = units * MINUTE / per_minute if per_minute else 0.0
        slowed = self.slowed
        if slowed is None or now >= self._slowed_until or (per_minute is not None and slowed >= per_minute):
            return usual
        longest = max(self._slowed_until - now, abs(usual))
        return math.copysign(min(abs(units) * MINUTE / slowed, longest), units)

    def take(self, seconds: float, since: float, number: int) -> None:
        """Charge call *number* for *seconds* from *since* on; what was free before is lost."""
        if self.paid_at < since:
            self.paid_at = since
            self._unbroken_since = number
        self.paid_at += seconds

    def correct(self, seconds: float, number: int) -> None:
        """Charge *seconds* more for call *number*, or less when negative."""
        if seconds > 0 or number >= self._unbroken_since:
            self.paid_at += seconds

    def learn(self, bucket: Bucket, now: float, longest: float) -> float:
        """Follow the provider's own pace where little is left: what it has refilled, by the time that it took.

        For no more than the *longest* time in seconds. Returned is in how many the first of anything is there again,
        where nothing is left.
        """
        self._told, self._told_at = bucket, now
        self.slowed = None
        used = bucket.limit - bucket.remaining
        if bucket.remaining >= SCARCE * bucket.limit or used <= 0 or not 0 < bucket.full_in <= LONGEST_TOLD:
            return 0.0
        self.slowed = used * MINUTE / bucket.full_in
        self._slowed_until = now + min(bucket.full_in, longest)
        return 0.0 if bucket.remaining else bucket.full_in / used

    def resume(self) -> None:
        """Go on at the configured pace, whatever the provider told."""
        self.slowed = None

    def told(self, now: float) -> Bucket | None:
        """What the provider told last, and when that will be full again; all is left once that time has come."""
        if self._told is None:
            return None
        limit, full_in = self._told.limit, max(0.0, self._told_at + self._told.full_in - now)
        return Bucket(limit, self._told.remaining if full_in else limit, full_in)


class Pacer:
    """The limits of a group, one for each unit, and its pauses, each of which is no longer than *longest* seconds.

    `paused_because` is a sentence on the pause that ends last.
    """

    def __init__(self, now: float, longest: float) -> None:
        self._limits = [Gcra(now) for _ in UNITS]
        self._longest = longest
        self.paused_until = now
        self.paused_because = ""
        self.typical = 0.0  # seconds that a call took of late
        self._number = 0

    def free_at(self, rate: Rate) -> float:
        """From when on a call may go."""
        saved = (rate.burst - 1) * MINUTE / rate.requests if rate.requests else 0.0
        free_at = self.paused_until
        for limit in self._limits:
            free_at = max(free_at, limit.paid_at - saved)
        return free_at

    def owed(self, now: float) -> float:
        """In how many seconds all that was taken is paid for."""
        return max(0.0, *(limit.paid_at - now for limit in self._limits))

    def seconds(self, rate: Rate, cost: Cost, now: float) -> float:
        """How long a call of such *cost* keeps others waiting."""
        return max(map(Gcra.seconds, self._limits, cost, rate.values(), repeat(now)))

    def take(self, rate: Rate, cost: Cost, now: float, due: float) -> Taken:
        """Charge a call that goes now and should have gone when it was *due*: that a timer is late is made up for."""
        self._number += 1
        since = max(now - LATE, due)
        longest = 0.0
        for limit, units, per_minute in zip(self._limits, cost, rate.values(), strict=False):  # of a cost its first
            if per_minute is None and limit.slowed is None:
                continue
            seconds = limit.seconds(units, per_minute, now)
            limit.take(seconds, since, self._number)
            longest = max(longest, seconds)
        self.typical += (longest - self.typical) * _SLOWLY
        return Taken(self._number, rate, cost)

    def take_ahead(self, rate: Rate, calls: int, now: float) -> int:
        """Charge *calls* before they are there, as many of them as take `AHEAD` seconds together: how many.

        None where a limit holds of which it is not known what a call takes before it is there.
        """
        unknown = any(per_minute and not units for units, per_minute in zip(Cost(), rate.values(), strict=False))
        if unknown or any(limit.slowed is not None for limit in self._limits):
            return 0
        seconds = self.seconds(rate, Cost(), now)
        count = min(calls, int(AHEAD / seconds)) if seconds else calls
        if count:
            self.take(rate, Cost(requests=count), now, due=now)
        return count

    def settle(self, taken: Taken, cost: Cost, now: float) -> Taken:
        """Charge *cost* for a call instead of what it was charged before."""
        for limit, units, before, per_minute in zip(self._limits, cost, taken.cost, taken.rate.values(), strict=False):
            if units != before and (per_minute is not None or limit.slowed is not None):
                limit.correct(limit.seconds(units - before, per_minute, now), taken.number)
        return Taken(taken.number, taken.rate, cost)

    def give_back(self, taken: Taken, now: float) -> None:
        """A call did not go. Its place in time is given on only while nobody has gone since."""
        self.settle(taken, Cost(requests=int(taken.number != self._number)), now)

    def pause(self, seconds: float, because: str, now: float) -> None:
        """Let no call go for so many seconds."""
        until = now + min(seconds, self._longest)
        if until > self.paused_until:
            self.paused_until, self.paused_because = until, because

    def resume(self, now: float) -> None:
        """End the pause, and whatever the provider told that slows the group down."""
        self.paused_until = now
        for limit in self._limits:
            limit.resume()

    def learn(self, allowance: Allowance, now: float) -> None:
        """Take note of what the provider tells of its limits."""
        for unit, limit, bucket in zip(UNITS, self._limits, allowance.values(), strict=True):
            if bucket is not None and (seconds := limit.learn(bucket, now, self._longest)):
                self.pause(seconds, f"Its provider told that of [{bucket.limit}] {unit} none is left", now)

    def told(self, now: float) -> Allowance:
        """What the provider told last, as it is now."""
        return Allowance(*(limit.told(now) for limit in self._limits))
