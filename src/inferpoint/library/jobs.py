"""Bulk jobs for a program: started by what they are to do, found by name, worked on in this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import platformdirs

from inferpoint.bulk import jobs as bulk
from inferpoint.bulk import manifest
from inferpoint.bulk.inference import Inference
from inferpoint.bulk.job import SHARDS, Counts, Failure, Job, JobState, Spec
from inferpoint.bulk.verifying import Verified
from inferpoint.errors import InferenceError, Kind
from inferpoint.library.backend import Backend
from inferpoint.library.endpoint import EndpointInference
from inferpoint.library.options import Settings, check_names

PLACE = "INFERPOINT_JOBS"  # of the environment: a folder, or the address of a PostgreSQL database
FOLDER = "jobs"  # in the data folder
_SPOOL = "input"  # in that folder: what came by standard input
_APPLICATION = "inferpoint"
_PAGE = 1000

Waiting = Callable[[InferenceError | None], None]


class JobOptions(TypedDict, total=False):
    """How a job differs from the usual one: `text`, `id` and `keep` name fields of the source's records.

    `chunk` makes a row of each chunk. In `mode` `batch` shards are handed in as batches, which a provider answers
    within a day for less money: it is asked for them every `poll` seconds, and for what is not back after `fallback`
    seconds as in mode `now`. `limit` is how many items are done at most. `on_error` is `skip` or `stop`, `max_failed`
    the share of items of which more may not fail. `task_settings` go before the endpoint's. `accept_changes` goes on
    with a job whose source has changed.
    """

    text: str
    id: str | None
    keep: Iterable[str]
    chunk: bool
    mode: Literal["now", "batch"]
    poll: float
    fallback: float | None
    limit: int | None
    on_error: Literal["skip", "stop"]
    max_failed: float
    task_settings: Settings
    accept_changes: bool


class Jobs:
    """The bulk jobs of an `Inferpoint`, as `ip.jobs`. What is unknown is `NOT_FOUND`."""

    def __init__(self, backend: Callable[[], Backend], folder: Path | None, server: str | None) -> None:
        self._backend = backend
        self._folder = folder
        self._server = server
        self._opened: bulk.Jobs | None = None
        self._opening = asyncio.Lock()

    async def start(
        self, *, source: str, endpoint: str, to: str, name: str | None = None, **options: Unpack[JobOptions]
    ) -> BulkJob:
        """A job that embeds, or completes, what *source* has by *endpoint* into the sink *to*, for `run` to work on.

        A name is a job's identity: one that was begun goes on, one that is done stays so, and one that is about
        something else is `INVALID`. Without a name, what the job does makes one. A source that has changed is
        `CONFLICT`.
        """
        check_names("jobs.start", options, JobOptions)
        members: dict[str, Any] = {**options, "keep": tuple(options.get("keep", ()))}
        accept = members.pop("accept_changes", False)
        spec = Spec(endpoint=endpoint, source=source, sink=to, server=self._server, **members)
        jobs = await self._jobs()
        return BulkJob(jobs, (await jobs.start(spec, name, accept=accept)).name)

    async def all(self) -> list[BulkJob]:
        """Every job that is written down, the newest first."""
        jobs = await self._jobs()
        return [BulkJob(jobs, job.name) for job in await jobs.all()]

    async def get(self, name: str) -> BulkJob:
        """The job of that *name*."""
        jobs = await self._jobs()
        return BulkJob(jobs, (await jobs.find(name)).name)

    async def close(self) -> None:
        """Let go of the file or the database where jobs are written down."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

    async def _jobs(self) -> bulk.Jobs:
        async with self._opening:
            self._backend()  # which says so when nothing is open
            if self._opened is None:
                written = await asyncio.to_thread(manifest.opened, place(os.environ, self._folder))
                self._opened = bulk.Jobs(written, self._inference, spool=spool(self._folder))
            return self._opened

    @contextlib.asynccontextmanager
    async def _inference(self, spec: Spec) -> AsyncGenerator[Inference]:
        yield EndpointInference(self._backend(), spec.endpoint)


class BulkJob:
    """One bulk job, by its `name`; what has become of it is read anew by each method."""

    def __init__(self, jobs: bulk.Jobs, name: str) -> None:
        self._jobs = jobs
        self.name = name

    async def read(self) -> Job:
        """What is written down of it: `state`, `reason`, `spec`, what it has pinned, when it began and ended."""
        return await self._jobs.find(self.name)

    async def counts(self) -> Counts:
        """How many of its items are done, and failed; how many rows, calls, tokens and billionths of a dollar."""
        return await self._jobs.counts(self.name)

    async def run(self, *, shards: int = SHARDS, waiting: Waiting = lambda _error: None) -> Counts:
        """Work until every item is done or has failed, and say how many are; other processes may work along.

        `shards` are open at once. *waiting* is told why the work stands still, and None when it goes on. A job that
        was paused, cancelled or stopped by too many failures is `CONFLICT`. Cancelling loses no item: `run` goes on.
        """
        if (await self.read()).state is not JobState.DONE:
            async with self._jobs.worker(self.name, waiting, shards=shards) as worker:
                await worker.run()
        job = await self.read()
        if job.state is not JobState.DONE:
            reason = "" if job.reason is None else f": {job.reason}"
            raise InferenceError(Kind.CONFLICT, f"The job [{self.name}] is {job.state.value}{reason}")
        return await self.counts()

    async def run_shard(self, number: int) -> None:
        """Do the shard of that *number* alone, once whoever has it has died; one that is done costs nothing.

        Nothing is done of a job that does not run.
        """
        if (await self.read()).state is not JobState.RUNNING:
            return
        async with self._jobs.worker(self.name, shards=1) as worker:
            await worker.run_shard(number)

    async def pause(self) -> None:
        """Have all that work on it write down what they have asked for, and end."""
        await self._jobs.pause(self.name)

    async def resume(self) -> None:
        """Let it run again, paused or stopped; `run` works on it."""
        await self._jobs.resume(self.name)

    async def cancel(self) -> None:
        """Have it run no more, ever; what is in its sink stays there."""
        await self._jobs.cancel(self.name)

    async def retry(self) -> int:
        """Have its failed items tried again by the next `run`; how many they are."""
        return await self._jobs.retry(self.name)

    async def failures(self) -> AsyncGenerator[Failure]:
        """Every item that failed: its number, its id, a kind and the reason."""
        after = -1
        while page := await self._jobs.failures(self.name, after, _PAGE):
            for failure in page:
                yield failure
            after = page[-1].item

    async def verify(self) -> Verified:
        """A recount from its source and its sink: what is missing, there twice, or not its own."""
        return await self._jobs.verify(self.name)

    async def delete(self) -> None:
        """Forget it; what is in its sink stays there."""
        await self._jobs.remove(self.name)

    def __repr__(self) -> str:
        return f"BulkJob({self.name!r})"


def place(environ: Mapping[str, str], folder: Path | None) -> str | Path:
    """Where jobs are written down: as the environment says, else in the data *folder*, else in the platform's."""
    return environ.get(PLACE) or _folder(folder)


def spool(folder: Path | None) -> Path:
    """Where what comes by standard input is kept: in the data *folder*, or in the platform's."""
    return _folder(folder) / _SPOOL


def _folder(folder: Path | None) -> Path:
    return (folder or Path(platformdirs.user_data_dir(_APPLICATION))) / FOLDER
