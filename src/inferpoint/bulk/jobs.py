"""`Jobs`: the bulk jobs of one manifest, started, worked on, looked at and changed by name."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from msgspec.structs import replace

from inferpoint.bulk import pinning, starting
from inferpoint.bulk.addresses import Addresses
from inferpoint.bulk.asking import Asking
from inferpoint.bulk.batch_shards import BatchShards
from inferpoint.bulk.batch_work import BatchWorker, cancel_batches
from inferpoint.bulk.inference import Inference
from inferpoint.bulk.job import SHARDS, Counts, Failure, Job, JobState, Space, Spec
from inferpoint.bulk.manifest import Manifest
from inferpoint.bulk.pricing import price_of
from inferpoint.bulk.sinks import opening as sinks
from inferpoint.bulk.sinks.sink import Sink
from inferpoint.bulk.sources import opening as sources
from inferpoint.bulk.sources.source import Fields, Source
from inferpoint.bulk.verifying import Verified, verified
from inferpoint.bulk.working import LEASE, Places, Worker
from inferpoint.clock import Clock, SystemClock
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import TaskType

_GOING = (JobState.RUNNING, JobState.PAUSED, JobState.STOPPED)

Opening = Callable[[Spec], AbstractAsyncContextManager[Inference]]


class Jobs:
    """Jobs by name. *inference* opens the endpoint of a job's specification, *addresses* tell where its ends are.

    In the folder *spool* is kept what jobs have from standard input, which cannot be read twice. What is unknown is
    `NOT_FOUND`; what cannot be done with a job as it is, `CONFLICT`.
    """

    def __init__(
        self,
        manifest: Manifest,
        inference: Opening,
        clock: Clock | None = None,
        spool: Path | None = None,
        addresses: Addresses | None = None,
    ) -> None:
        self._manifest = manifest
        self._inference = inference
        self._clock = clock or SystemClock()
        self._spool = spool
        self._addresses = addresses or Addresses()

    async def start(self, spec: Spec, name: str | None = None, *, accept: bool = False) -> Job:
        """The job of that *name*, new or to go on with, ready to be worked on; one that is done is left as it is.

        With *accept* it goes on although its source or its chunking is not what it was.
        """
        spec = replace(spec, source=self._addresses.kept(spec.source), sink=self._addresses.kept(spec.sink))
        if name is None:
            starting.refuse_nameless(spec)
            name = starting.usual_name(spec)
        starting.refuse_name(name)
        job = await asyncio.to_thread(self._manifest.find, name)
        if job is not None:
            starting.refuse_other(job, spec)
        async with self._inference(spec) as inference, self._source(name, spec) as source:
            objects = await asyncio.to_thread(source.fingerprints)
            pinned = pinning.pinned(await inference.shown(), objects)
            if spec.mode == "batch":
                inference.batches()  # or why there are none
            if job is not None:
                return await asyncio.to_thread(starting.resumed, job, spec, pinned, self._manifest, accept=accept)
            async with self._sink(name, spec, pinned.space):
                pass  # what is wrong with it is told before anything is planned or paid
            now = self._clock.now().timestamp()
            return await asyncio.to_thread(starting.started, name, spec, pinned, source, self._manifest, now)

    @contextlib.asynccontextmanager
    async def worker(
        self,
        name: str,
        waiting: Callable[[InferenceError | None], None] = lambda _error: None,
        *,
        shards: int = SHARDS,
        lease: float = LEASE,
    ) -> AsyncGenerator[Worker]:
        """A worker of the job of that *name*, whose places are open; *waiting* is told why it stands still."""
        job = await self.find(name)
        spec = job.spec
        async with self._inference(spec) as inference, self._source(name, spec) as source:
            shown = await inference.shown()
            objects = await asyncio.to_thread(source.fingerprints)
            pinning.refuse_changed(job.pinned, pinning.pinned(shown, objects), accept=False)
            embeds = TaskType(job.pinned.task_type).embeds
            price = price_of(shown)
            asking = Asking(inference, self._clock, embeds, spec.chunk, spec.task_settings, price, waiting)
            async with self._sink(name, spec, job.pinned.space) as sink:
                arguments = (job, Places(self._manifest, source, sink), asking, self._clock, shards, lease)
                now = spec.mode == "now"
                yield Worker(*arguments) if now else BatchWorker(*arguments, batches=inference.batches())

    async def all(self) -> list[Job]:
        """Every job, the newest first."""
        return await asyncio.to_thread(self._manifest.jobs)

    async def find(self, name: str) -> Job:
        """The job of that *name*."""
        job = await asyncio.to_thread(self._manifest.find, name)
        if job is None:
            raise InferenceError(Kind.NOT_FOUND, f"There is no job [{name}]")
        return job

    async def counts(self, name: str) -> Counts:
        """How far it has come."""
        return await asyncio.to_thread(self._manifest.counts, name)

    async def left(self, name: str) -> list[int]:
        """The numbers of the shards of it that are not done."""
        return await asyncio.to_thread(self._manifest.left, name)

    async def failures(self, name: str, after: int = -1, most: int = 1000) -> list[Failure]:
        """The items of it that failed, a page of them."""
        return await asyncio.to_thread(self._manifest.failures, name, after, most)

    async def pause(self, name: str) -> Job:
        """Have its workers write down what they have asked for, and end."""
        return await self._change(name, JobState.PAUSED, (JobState.RUNNING, JobState.PAUSED))

    async def resume(self, name: str) -> Job:
        """Have it run again; whoever works on it goes on."""
        return await self._change(name, JobState.RUNNING, _GOING)

    async def cancel(self, name: str) -> Job:
        """Have it run no more, ever, nor its batches; what is in its sink stays there."""
        job = await self._change(name, JobState.CANCELLED, (*_GOING, JobState.CANCELLED))
        if job.spec.mode == "batch":
            async with self._inference(job.spec) as inference:
                await cancel_batches(BatchShards(self._manifest, name), inference.batches())
        return job

    async def retry(self, name: str) -> int:
        """Have its failed items tried again; how many they are."""
        await self.find(name)
        return await asyncio.to_thread(self._manifest.retry, name)

    async def remove(self, name: str) -> None:
        """Forget it; what is in its sink stays there."""
        await self.find(name)
        await asyncio.to_thread(self._manifest.remove, name)
        if self._spool is not None:
            await asyncio.to_thread(shutil.rmtree, self._spool / name, ignore_errors=True)

    async def verify(self, name: str) -> Verified:
        """The recount of it, from its source and its sink."""
        job = await self.find(name)
        async with self._source(name, job.spec) as source:
            objects = await asyncio.to_thread(source.fingerprints)
            pinning.refuse_changed_objects(job.pinned.objects, objects)
            async with self._sink(name, job.spec, job.pinned.space) as sink:
                return await asyncio.to_thread(verified, job, Places(self._manifest, source, sink))

    async def close(self) -> None:
        """Let the manifest go."""
        await asyncio.to_thread(self._manifest.close)

    async def _change(self, name: str, state: JobState, of: tuple[JobState, ...]) -> Job:
        job = await self.find(name)
        at = self._clock.now().timestamp() if state is JobState.CANCELLED else None
        if not await asyncio.to_thread(self._manifest.change, name, state, of=of, at=at):
            raise InferenceError(Kind.CONFLICT, f"The job [{name}] is {job.state.value}")
        return await self.find(name)

    @contextlib.asynccontextmanager
    async def _source(self, name: str, spec: Spec) -> AsyncGenerator[Source]:
        fields, spool = Fields(spec.text, spec.id, spec.keep), self._spool and self._spool / name
        where = await asyncio.to_thread(self._addresses.source, spec.source)
        source = await asyncio.to_thread(sources.opened, where, fields, spool)
        try:
            yield source
        finally:
            await asyncio.to_thread(source.close)

    @contextlib.asynccontextmanager
    async def _sink(self, name: str, spec: Spec, space: Space) -> AsyncGenerator[Sink]:
        """The sink of a job, ready for rows of *space*."""
        where = await asyncio.to_thread(self._addresses.sink, spec.sink)
        sink = await asyncio.to_thread(sinks.opened, where, spec.chunk, spec.keep, name)
        try:
            await asyncio.to_thread(sink.open, space)
            yield sink
        finally:
            await asyncio.to_thread(sink.close)
