"""The attempts of one job: their number and times, and the permits that the next one has."""

from __future__ import annotations

from typing import Self

from inferpoint.clock import Clock
from inferpoint.model.http import Call
from inferpoint.outbound.breakers import CallPermit
from inferpoint.outbound.ticket import Job, Permit


class Attempts:
    """How far a job has come; a context manager that releases the permits which were not handed on.

    A job that had a turn goes `ahead` of its caller's others. `sent_at` is when the last attempt was made, `upstream`
    how many seconds all of them were at the provider, `pause` how many have to pass before the next.
    """

    def __init__(self, job: Job, clock: Clock) -> None:
        self.job = job
        self.ahead = False
        self.call: Call | None = None
        self.permit: Permit | None = None
        self.breaker: CallPermit | None = None
        self.count = 0
        self.failures = 0
        self.pause = 0.0
        self.sent_at = 0.0
        self.upstream = 0.0
        self._clock = clock
        self._began = clock.monotonic()
        self._throttled_at: float | None = None

    def begin(self) -> None:
        """Count an attempt, which is charged from now on."""
        assert self.permit is not None
        self.permit.sent()
        self.sent_at = self._clock.monotonic()
        self.count += 1
        self.job.stats.calls += self.count == 1
        self.job.stats.attempts += 1
        self.note_times(self.sent_at)

    def fail(self) -> None:
        """Count a failure of the provider, for which the caller does not pay."""
        assert self.permit is not None
        self.permit.failed()
        self.failures += 1

    def note_times(self, now: float) -> None:
        """Note how long the call has waited, and been at the provider, until *now*."""
        stats = self.job.stats
        if (queued := now - self._began - self.upstream) > stats.queued:
            stats.queued = queued
        stats.upstream = max(stats.upstream, self.upstream)

    def throttled(self, now: float) -> float:
        """How many seconds ago the job first met a provider that asks to wait; that may be *now*."""
        if self._throttled_at is None:
            self._throttled_at = now
        return now - self._throttled_at

    def hand_on(self) -> Permit:
        """The permit of the last attempt, for the caller to settle and release."""
        permit, self.permit = self.permit, None
        assert permit is not None
        return permit

    def release(self) -> None:
        """End both permits: what was not sent costs nothing, and says nothing of the provider."""
        if self.breaker is not None:
            self.breaker.release()
        if self.permit is not None:
            self.permit.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()
        self.note_times(self._clock.monotonic())
