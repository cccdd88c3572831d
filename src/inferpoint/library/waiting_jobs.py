"""Bulk jobs for code that does not await."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from inferpoint.library.jobs import BulkJob, Jobs
from inferpoint.library.waits import Waits

P = ParamSpec("P")


class ConnectedJobs(Waits[Jobs]):
    """The bulk jobs of a `Connected`, as `ip.jobs`. What is unknown is `NOT_FOUND`."""

    def all(self) -> list[ConnectedJob]:
        """Every job that is written down, the newest first."""
        return [ConnectedJob(job, self._portal) for job in self._portal.wait(self._awaited.all())]

    @staticmethod
    def _giving(
        method: Callable[Concatenate[Jobs, P], Coroutine[Any, Any, BulkJob]],
    ) -> Callable[Concatenate[ConnectedJobs, P], ConnectedJob]:
        """*method*, which gives a job, for code that does not await."""

        @wraps(method)
        def wait(self: ConnectedJobs, *args: P.args, **kwargs: P.kwargs) -> ConnectedJob:
            return ConnectedJob(self._portal.wait(method(self._awaited, *args, **kwargs)), self._portal)

        return wait

    start = _giving(Jobs.start)
    get = _giving(Jobs.get)


class ConnectedJob(Waits[BulkJob]):
    """One bulk job, by its `name`; what has become of it is read anew by each method."""

    @property
    def name(self) -> str:
        """The job's identity."""
        return self._awaited.name

    read = Waits.waiting(BulkJob.read)
    counts = Waits.waiting(BulkJob.counts)
    run = Waits.waiting(BulkJob.run)
    pause = Waits.waiting(BulkJob.pause)
    resume = Waits.waiting(BulkJob.resume)
    cancel = Waits.waiting(BulkJob.cancel)
    retry = Waits.waiting(BulkJob.retry)
    failures = Waits.iterating(BulkJob.failures)
    verify = Waits.waiting(BulkJob.verify)
    delete = Waits.waiting(BulkJob.delete)

    def __repr__(self) -> str:
        return repr(self._awaited).replace("BulkJob", "ConnectedJob", 1)
