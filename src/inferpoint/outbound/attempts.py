"""The attempts of one job: their number and times, and the permits that the next one has."""

from __future__ import annotations

from inferpoint.clock import Clock
from inferpoint.model.http import Call
from inferpoint.outbound.breakers import CallPermit
from inferpoint.outbound.ticket import Job, Permit


class Attempts:
    """How far a job has come. Who makes them `end`s them, unless the last permit was `handed_on`.

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
        self.handed_on = False

    def begin(self, now: float) -> None:
        """Count an attempt, which is charged from *now* on."""
        assert self.permit is not None
        self.permit.sent()
        self.sent_at = now
        self.count += 1
        stats = self.job.stats
        stats.calls += self.count == 1
        stats.attempts += 1
        queued = now - self._began - self.upstream
        stats.queued = max(stats.queued, queued)

    def fail(self) -> None:
        """Count a failure of the provider, for which the caller does not pay."""
        assert self.permit is not None
        self.permit.failed()
        self.failures += 1

    def ended(self, now: float) -> float:
        """The seconds that the last attempt was at the provider until *now*."""
        seconds = now - self.sent_at
        self.upstream += seconds
        self.job.stats.upstream = max(self.job.stats.upstream, self.upstream)
        return seconds

    def throttled(self, now: float) -> float:
        """How many seconds ago the job first met a provider that asks to wait; that may be *now*."""
        if self._throttled_at is None:
            self._throttled_at = now
        return now - self._throttled_at

    def hand_on(self) -> Permit:
        """The permit of the last attempt, for the caller to settle and release."""
        assert self.permit is not None
        self.handed_on = True
        return self.permit

    def release(self) -> None:
        """End both permits: what was not sent costs nothing, and says nothing of the provider."""
        if self.breaker is not None:
            self.breaker.release()
        if self.permit is not None:
            self.permit.release()

    def end(self) -> None:
        """Release both permits, and note how long they were waited for in vain."""
        self.release()
        stats, now = self.job.stats, self._clock.monotonic()
        stats.queued = max(stats.queued, now - self._began - self.upstream)
