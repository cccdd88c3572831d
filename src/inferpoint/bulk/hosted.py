"""The jobs of a server as its callers see and change them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

from msgspec.structs import replace

from inferpoint.access import actions
from inferpoint.access.actions import Action
from inferpoint.access.decision import may
from inferpoint.bulk.job import Counts, Failure, Job, JobState, Spec
from inferpoint.bulk.jobs import Jobs
from inferpoint.bulk.manifest import Manifest
from inferpoint.bulk.named_places import NamedPlaces, read_within
from inferpoint.bulk.runner import Runner
from inferpoint.bulk.served import Walk
from inferpoint.bulk.starting import usual_name
from inferpoint.bulk.verifying import Verified
from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model import settings
from inferpoint.model.requests import Caller, Chunking, InferenceRequest
from inferpoint.storage.audit import Audit, Change

_ENDED = (JobState.DONE, JobState.CANCELLED)


class HostedJobs:
    """Jobs by name, of endpoints that are for a caller: any other is to it as one that is not there.

    A job asks in the name of who started it, or resumed it last. What is done, and what is refused, goes to *audit*;
    no error has the address of a place in it. `places` are where jobs read and write, `runner` works on them.
    """

    def __init__(
        self, jobs: Jobs, manifest: Manifest, places: NamedPlaces, runner: Runner, walk: Walk, audit: Audit
    ) -> None:
        self.places = places
        self.runner = runner
        self._jobs = jobs
        self._manifest = manifest
        self._walk = walk
        self._audit = audit

    async def start(self, caller: Caller, spec: Spec, name: str | None, *, accept: bool) -> Job:
        """The job of that *name*, new or to go on with; see `Jobs.start`."""
        async with self._doing(caller, actions.START_JOB, name or spec.endpoint):
            resolved = self._walk.find(caller, spec.endpoint)
            _refuse_limits(caller, spec)
            spec = replace(spec, endpoint=resolved.endpoint.inference_id, caller=caller.name)
            _refuse_options(self._walk, resolved, spec)
            name = name or usual_name(spec)
            other = await asyncio.to_thread(self._manifest.find, name)
            if other is not None and not _is_for(caller, other):
                raise InferenceError(Kind.CONFLICT, f"There is another job of the name [{name}]")
            job = await self._jobs.start(spec, name, accept=accept)
        told = (("inference_id", spec.endpoint), ("source", spec.source), ("sink", spec.sink))
        changes = [Change(member, None, value) for member, value in told]
        await self._audit.record(caller, actions.START_JOB.change, name, changes)
        return job

    async def all(self, caller: Caller) -> list[Job]:
        """Every job, the newest first."""
        return [job for job in await self._jobs.all() if _is_for(caller, job)]

    async def find(self, caller: Caller, name: str) -> Job:
        """The job of that *name*."""
        job = await self._jobs.find(name)
        if not _is_for(caller, job):
            raise InferenceError(Kind.NOT_FOUND, f"There is no job [{name}]")
        return job

    async def counts(self, job: Job) -> Counts:
        """How far *job* has come."""
        return await self._jobs.counts(job.name)

    async def failures(self, caller: Caller, name: str, after: int, most: int) -> Sequence[Failure]:
        """The items of a job that failed, by number: at most so many, of those that come *after* one."""
        await self.find(caller, name)
        return await self._jobs.failures(name, after, most)

    async def pause(self, caller: Caller, name: str) -> Job:
        """Have a job wait until it is resumed."""
        async with self._changing(caller, actions.PAUSE_JOB, name):
            return await self._jobs.pause(name)

    async def resume(self, caller: Caller, name: str) -> Job:
        """Have a job go on that waits or was stopped, in the name of *caller*."""
        async with self._changing(caller, actions.RESUME_JOB, name) as job:
            if job.state not in (*_ENDED, JobState.RUNNING):
                await self._take_over(caller, job)
            return await self._jobs.resume(name)

    async def cancel(self, caller: Caller, name: str) -> Job:
        """Have a job run no more, ever."""
        async with self._changing(caller, actions.CANCEL_JOB, name) as job:
            if job.spec.mode == "batch" and job.state not in _ENDED:
                await self._take_over(caller, job)  # whoever began it may be gone, and its batches are to end
            return await self._jobs.cancel(name)

    async def retry(self, caller: Caller, name: str) -> tuple[Job, int]:
        """Have the failed items of a job tried again, in the name of *caller*; how many they are."""
        async with self._changing(caller, actions.RETRY_JOB, name) as job:
            if job.state is JobState.CANCELLED:
                raise InferenceError(Kind.CONFLICT, f"The job [{name}] is {job.state.value}")
            await self._take_over(caller, job)
            items = await self._jobs.retry(name)
            return await self._jobs.find(name), items

    async def verify(self, caller: Caller, name: str) -> Verified:
        """The recount of a job, from its source and its sink."""
        async with self._hiding():
            await self.find(caller, name)
            return await self._jobs.verify(name)

    async def remove(self, caller: Caller, name: str) -> None:
        """Forget a job that does not run."""
        async with self._changing(caller, actions.DELETE_JOB, name) as job:
            if job.state is JobState.RUNNING:
                raise InferenceError(Kind.CONFLICT, f"The job [{name}] is running: pause it or cancel it first")
            await self._jobs.remove(name)

    async def _take_over(self, caller: Caller, job: Job) -> None:
        self._walk.find(caller, job.spec.endpoint)
        _refuse_limits(caller, job.spec)
        spec = replace(job.spec, caller=caller.name)
        await asyncio.to_thread(self._manifest.respecify, job.name, spec, job.pinned)

    @contextlib.asynccontextmanager
    async def _changing(self, caller: Caller, action: Action, name: str) -> AsyncGenerator[Job]:
        """The job of that *name*, to which something is done."""
        async with self._doing(caller, action, name):
            yield await self.find(caller, name)
        await self._audit.record(caller, action.change, name)

    @contextlib.asynccontextmanager
    async def _doing(self, caller: Caller, action: Action, target: str) -> AsyncGenerator[None]:
        async with self._audit.failures(caller, action.change, target), self._hiding():
            yield

    @contextlib.asynccontextmanager
    async def _hiding(self) -> AsyncGenerator[None]:
        """Have what goes wrong inside be told without the addresses of places."""
        try:
            yield
        except InferenceError as error:
            raise error.of_input(error.index, *map(self.places.hidden, error.problems)) from error.__cause__


def _is_for(caller: Caller, job: Job) -> bool:
    return read_within(job.spec.source) is not None and may(caller, None, job.spec.endpoint, job.pinned.task_type)


def _refuse_limits(caller: Caller, spec: Spec) -> None:
    """`FORBIDDEN` for batches of a key with limits: what they cost is known when they are done, and held to none."""
    if spec.mode == "batch" and caller.limits is not None:
        problem = "What a provider's batches use is held to no limits, and the key [{}] has some: run the job now"
        raise InferenceError(Kind.FORBIDDEN, problem.format(caller.name))


def _refuse_options(walk: Walk, resolved: Resolved, spec: Spec) -> None:
    """`INVALID` for task settings or chunks that the endpoint does not take, and for settings that are secret."""
    if not (spec.task_settings or spec.chunk):
        return
    chunking = Chunking() if spec.chunk else None
    unasked = walk.infer(resolved, InferenceRequest(("",), options=spec.task_settings, chunking=chunking))
    unasked.close()  # what does not fit was raised already
    options, _ = settings.gathered(resolved.task.options, spec.task_settings)
    wanted = settings.overlay(resolved.endpoint.options, options, scope="task_settings", problems=[])
    if secret := [name for name in settings.secrets(wanted) if name in options]:
        problem = "may hold a secret, which belongs to the endpoint's own task_settings: a job is written down"
        raise invalid(*(f"[{name}] {problem}" for name in secret))
