"""`_inference/_jobs`: bulk jobs between places of the server's configuration. Elasticsearch has nothing of the kind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from inferpoint.access import actions
from inferpoint.api.elastic import read
from inferpoint.api.elastic.form import number
from inferpoint.api.elastic.job_request import job_request
from inferpoint.api.face import Request, Response, Route, json_response
from inferpoint.api.openapi.description import Form
from inferpoint.bulk.job import Counts, Job, JobState
from inferpoint.bulk.named_places import read_within
from inferpoint.engine.engine import Engine
from inferpoint.errors import Subject, invalid

if TYPE_CHECKING:  # what works on jobs is read when there are places for some
    from inferpoint.bulk.hosted import HostedJobs

_JOBS, _JOB = "/_inference/_jobs", "/_inference/_jobs/{job}"
_PAGE = frozenset({"from", "size"})
_AFTER = frozenset({"after", "size"})
_LARGEST_PAGE = 1000
_SHOWN, _LISTED = Form(gives="Job"), Form(gives="Jobs")
_OFF = (
    "Bulk jobs are off on this server: they read and write in places that its configuration file names, as in"
    " [bulk.places.NAME] with [address] and [use], and it names none"
)


class JobRoutes:
    """The acts of the routes, on the *jobs* of a server; None where its configuration has no places for any."""

    def __init__(self, jobs: HostedJobs | None) -> None:
        self._hosted = jobs

    def routes(self) -> Sequence[Route]:
        """The routes."""
        return (
            Route("POST", _JOBS, self.start, form=Form("JobRequest", "Job"), action=actions.START_JOB),
            Route("GET", _JOBS, self.all, _PAGE, _LISTED, action=actions.GET_JOBS),
            Route("GET", _JOB, self.get, form=_SHOWN, action=actions.GET_JOBS),
            Route("DELETE", _JOB, self.delete, form=Form(gives="Removed"), action=actions.DELETE_JOB),
            Route("POST", f"{_JOB}/_pause", self.pause, form=_SHOWN, action=actions.PAUSE_JOB),
            Route("POST", f"{_JOB}/_resume", self.resume, form=_SHOWN, action=actions.RESUME_JOB),
            Route("POST", f"{_JOB}/_cancel", self.cancel, form=_SHOWN, action=actions.CANCEL_JOB),
            Route("POST", f"{_JOB}/_retry", self.retry, form=Form(gives="RetriedJob"), action=actions.RETRY_JOB),
            Route("POST", f"{_JOB}/_verify", self.verify, form=Form(gives="VerifiedJob"), action=actions.VERIFY_JOB),
            Route("GET", f"{_JOB}/_failures", self.failures, _AFTER, Form(gives="Failures"), action=actions.GET_JOBS),
        )

    async def start(self, _engine: Engine, request: Request) -> Response:
        """Start a bulk job, or go on with the one of its name."""
        jobs = self._jobs
        wanted = job_request(read.json_object(request), jobs.places)
        job = await jobs.start(request.manager, wanted.spec, wanted.name, accept=wanted.accept_changes)
        return json_response(await self._shown(job))

    async def all(self, _engine: Engine, request: Request) -> Response:
        """The bulk jobs, the newest first."""
        skip, size = number(request.query, "from", 0, 2**53), number(request.query, "size", 100, _LARGEST_PAGE)
        jobs = await self._jobs.all(request.caller)
        shown = [await self._shown(job) for job in jobs[skip : skip + size]]
        return json_response({"count": len(jobs), "jobs": shown})

    async def get(self, _engine: Engine, request: Request) -> Response:
        """A bulk job: what it does, how far it has come, and how fast."""
        return json_response(await self._shown(await self._jobs.find(request.caller, _name(request))))

    async def pause(self, _engine: Engine, request: Request) -> Response:
        """Have a bulk job wait until it is resumed."""
        return json_response(await self._shown(await self._jobs.pause(request.manager, _name(request))))

    async def resume(self, _engine: Engine, request: Request) -> Response:
        """Have a bulk job go on that waits or was stopped."""
        return json_response(await self._shown(await self._jobs.resume(request.manager, _name(request))))

    async def cancel(self, _engine: Engine, request: Request) -> Response:
        """End a bulk job for ever; what is in its sink stays there."""
        return json_response(await self._shown(await self._jobs.cancel(request.manager, _name(request))))

    async def retry(self, _engine: Engine, request: Request) -> Response:
        """Have the failed items of a bulk job tried again."""
        job, items = await self._jobs.retry(request.manager, _name(request))
        return json_response({"items": items, "job": await self._shown(job)})

    async def verify(self, _engine: Engine, request: Request) -> Response:
        """Recount a bulk job from its source and its sink."""
        verified = await self._jobs.verify(request.manager, _name(request))
        return json_response({"right": verified.is_right, **msgspec.structs.asdict(verified)})

    async def failures(self, _engine: Engine, request: Request) -> Response:
        """The items of a bulk job that failed, and why, a page of them."""
        jobs, query = self._jobs, request.query
        after = number(query, "after", 0, 2**53) if "after" in query else -1
        size = number(query, "size", 100, _LARGEST_PAGE)
        failures = await jobs.failures(request.caller, _name(request), after, size)
        shown = [
            {"item": one.item, "id": one.id, "kind": one.kind.value, "reason": jobs.places.hidden(one.message)}
            for one in failures
        ]
        return json_response({"failures": shown, "next": failures[-1].item if 0 < size == len(failures) else None})

    async def delete(self, _engine: Engine, request: Request) -> Response:
        """Forget a bulk job that does not run; what is in its sink stays there."""
        await self._jobs.remove(request.manager, _name(request))
        return json_response({"acknowledged": True})

    @property
    def _jobs(self) -> HostedJobs:
        if self._hosted is None:
            raise invalid(_OFF, subject=Subject.ARGUMENT)
        return self._hosted

    async def _shown(self, job: Job) -> dict[str, Any]:
        """A job as it is answered: without an address."""
        jobs, spec = self._jobs, job.spec
        counts = await jobs.counts(job)
        reason = job.reason or (jobs.runner.waits.get(job.name) if job.state is JobState.RUNNING else None)
        optional = {
            "finished": None if job.finished is None else _time(job.finished),
            "reason": None if reason is None else jobs.places.hidden(reason),
            "id": spec.id,
            "limit": spec.limit,
        }
        return {
            "name": job.name,
            "state": job.state.value,
            "inference_id": spec.endpoint,
            "source": _within(spec.source),
            "sink": _within(spec.sink),
            "text": spec.text,
            "keep": spec.keep,
            "chunk": spec.chunk,
            "mode": spec.mode,
            "on_error": spec.on_error,
            "max_failed": spec.max_failed,
            "task_settings": spec.task_settings,
            "started_by": spec.caller,
            "created": _time(job.created),
            **{name: value for name, value in optional.items() if value is not None},
            "counts": _counts(counts),
            "pace": _pace(counts, jobs.runner.paces.of(job.name) if job.state is JobState.RUNNING else None),
        }


def _name(request: Request) -> str:
    return request.path_params["job"]


def _within(written: str) -> dict[str, Any]:
    within = read_within(written)
    assert within is not None, "jobs at addresses of their own are not shown"
    return msgspec.structs.asdict(within)


def _counts(counts: Counts) -> dict[str, Any]:
    members = msgspec.structs.asdict(counts)
    price = members.pop("nano_usd")
    return members if price is None else {**members, "usd": price / 1e9}


def _pace(counts: Counts, pace: float | None) -> dict[str, Any]:
    """Items a second over the last minute, and the seconds that are left at that; null where nobody knows."""
    left = counts.planned - counts.done - counts.failed
    seconds = left / pace if pace else None
    return {
        "items_per_second": None if pace is None else round(pace, 3),
        "seconds_left": None if seconds is None else round(seconds),
    }


def _time(moment: float) -> str:
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
