"""When to try again: the verdict after an attempt, how long to wait before, and how many extra calls there may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

import msgspec

from inferpoint.clock import Clock
from inferpoint.model.quota import Lane

ATTEMPTS = 3  # that may fail, as in Elasticsearch; but what is ingested has time, and is tried until its deadline
LONGEST_THROTTLED = 10.0  # seconds, for which a call is told 429 while somebody waits for it
THROTTLED_PART = 1 / 5  # of the timeout, where that is less
FIRST_BOUND = 1.0
LARGEST_BOUND = 5.0
LONGEST_ASKED = 86_400.0  # a header may say anything, infinity too; callers are told no more than a day
_DOUBLINGS = 8  # beyond these a bound is the largest, and the power of two no longer a float
_FORGOTTEN = 300.0

# The budget counts in tenths of a retry, which are whole: ten first attempts are one retry, to the last bit.
_EARNED, _COST, _RESERVE, _EACH_SECOND = 1.0, 10.0, 100.0, 1.0
FULL = _RESERVE / _COST  # retries


class Verdict(StrEnum):
    """The decision after an attempt that brought no answer."""

    STOP = "stop"  # hand on what came
    REQUEUE = "requeue"  # take a new turn, whose queue is paused
    RETRY = "retry"  # take a new turn after a pause
    WAIT = "wait"  # the budget is empty: judge again after a pause
    UNAFFORDABLE = "unaffordable"  # the budget is empty, and the call cannot wait for it: hand on what came


def patience(lane: Lane, timeout: float) -> float:
    """For how many seconds a call of *lane* bears to be throttled: what is ingested for ever, others a while.

    The clients of those who wait give up after 10 seconds to a minute; sooner they learn why, and when to come again.
    """
    return math.inf if lane is Lane.INGEST else min(LONGEST_THROTTLED, timeout * THROTTLED_PART)


def verdict(
    *, throttled: float | None, failures: int, patience: float, pause: float, left: float, affordable: bool
) -> Verdict:
    """Whether to try again, after a *pause* of seconds, when *left* seconds remain before the deadline.

    A call that was first *throttled* so many seconds ago goes back to its queue as long as its *patience* lasts. One
    that failed (*throttled* is None) is tried again until there were `ATTEMPTS` *failures* in a row, or as long as
    there is time when its patience has no end; if the budget makes it *affordable*.
    """
    if pause >= left:
        return Verdict.STOP
    if throttled is not None:
        return Verdict.REQUEUE if throttled + pause <= patience else Verdict.STOP
    patient = patience == math.inf
    if failures >= ATTEMPTS and not patient:
        return Verdict.STOP
    if affordable:
        return Verdict.RETRY
    return Verdict.WAIT if patient else Verdict.UNAFFORDABLE


def pause(failures: int, asked: float, uniform: Callable[[float, float], float]) -> float:
    """Seconds to wait after so many failures in a row: doubling, with full jitter, and never less than was *asked*."""
    bound = min(LARGEST_BOUND, FIRST_BOUND * 2.0 ** min(failures - 1, _DOUBLINGS))
    return max(uniform(0.0, bound), asked)


def asked_to_wait(headers: Mapping[str, str], now: datetime) -> float:
    """The seconds that a reply asks to wait: `retry-after-ms`, or `retry-after` as seconds or as an HTTP date; else 0.

    At most a day, infinity included.
    """
    milliseconds, text = headers.get("retry-after-ms", ""), headers.get("retry-after", "")
    seconds = 0.0
    try:
        if milliseconds:
            seconds = float(milliseconds) / 1000
        elif text.replace(".", "", 1).isdigit():
            seconds = float(text)
        else:
            seconds = (_moment(text) - now).total_seconds() if text else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return min(seconds, LONGEST_ASKED) if seconds > 0 else 0.0  # not a number is not more than 0


def _moment(text: str) -> datetime:
    """The moment that *text* names; one without a zone, or with `-0000`, is in UTC."""
    moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Budget:
    """How many extra calls a rate group may make: one for each ten first attempts, and one for each ten seconds.

    It holds ten at most, and begins with them. Throttled calls (429) spend from it like those that failed, for they
    are extra calls too; but an empty budget refuses only the failed. A throttled call goes back to its group's queue,
    after the pause of the whole group and at the pace of its limit: it takes the place of another call and adds none,
    and to give it up would lose what the provider only asked to have later. What is ingested waits for the budget, and
    what a breaker lets through one at a time is not counted.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tenths = _RESERVE
        self._at = clock.monotonic()

    def earn(self) -> None:
        """Count a first attempt."""
        self._tenths = self._now() + _EARNED

    def spend(self) -> bool:
        """Take one retry; False when there is none."""
        enough = self._now() >= _COST
        if enough:
            self._tenths -= _COST
        return enough

    def left(self) -> float:
        """The number of retries that may be made now."""
        return self._now() / _COST

    def _now(self) -> float:
        """The tenths there are, of which no more count than the reserve, whatever was earned."""
        now = self._clock.monotonic()
        self._tenths = min(_RESERVE, self._tenths + (now - self._at) * _EACH_SECOND)
        self._at = now
        return self._tenths


class Budgets:
    """The budgets of all rate groups: a provider that fails takes no retries from another.

    One that is full is as good as new, and is not kept.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._groups: dict[str, Budget] = {}

    def earn(self, group: str) -> None:
        """Count a first attempt of *group*."""
        if group in self._groups:
            self._groups[group].earn()

    def spend(self, group: str) -> bool:
        """Take one retry of *group*; False when there is none."""
        if group not in self._groups:
            self._groups = {name: budget for name, budget in self._groups.items() if budget.left() < FULL}
            self._groups[group] = Budget(self._clock)
        return self._groups[group].spend()

    def left(self, group: str) -> float:
        """The number of retries that *group* may make now."""
        return self._groups[group].left() if group in self._groups else FULL

    def least(self) -> float:
        """The number of retries that the group may make now which has least."""
        return min([budget.left() for budget in self._groups.values()], default=FULL)


class Throttled(msgspec.Struct, frozen=True):
    """How often in a row a group was told to wait, and when last."""

    times: int
    at: float


class Throttles:
    """How often in a row each group was told to wait; calls that were on their way together count once.

    Those are `on` whose last reply asked to wait.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.on: dict[str, Throttled] = {}

    def again(self, group: str, sent: float) -> int:
        """How often in a row *group* was told to wait, with the call that was sent at *sent*."""
        now = self._clock.monotonic()
        before = self.on.get(group)
        if before is None or sent >= before.at:
            self.on = {name: last for name, last in self.on.items() if now - last.at < _FORGOTTEN}
            before = self.on[group] = Throttled(before.times + 1 if before else 1, now)
        return before.times

    def over(self, group: str, sent: float) -> None:
        """Forget the throttles of *group*, as a call was taken that was sent at *sent*, after the last pause."""
        if group in self.on and sent >= self.on[group].at:
            del self.on[group]
