"""The work of a server on its jobs: whatever runs is worked on, so many at once, as long as the server does.

Each process of the server has a runner. What they and other servers work on is decided shard by shard in the manifest.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Protocol

from inferpoint.bulk.job import Job, JobState
from inferpoint.bulk.jobs import Jobs
from inferpoint.bulk.manifest import Manifest
from inferpoint.bulk.named_places import read_within
from inferpoint.bulk.pace import Paces
from inferpoint.bulk.working import Worker
from inferpoint.clock import Clock
from inferpoint.errors import InferenceError, Kind
from inferpoint.inbound.limits import ConnectionLimits
from inferpoint.model.requests import Caller
from inferpoint.tasks import Tasks
from inferpoint.telemetry.counters import JobCounters
from inferpoint.telemetry.log import warn

_LOOK = 1.0  # seconds between two looks at what runs
_PACE = 5  # looks between two at how far it has come
_REST = 30.0  # seconds before a job is tried again whose places cannot be opened for now
_STEP = 0.1
_FOR_NOW = frozenset({Kind.INTERNAL, Kind.CUT_OFF, Kind.OVERLOADED, Kind.TIMED_OUT, Kind.RATE_LIMITED, Kind.UNREADABLE})
_LOG = logging.getLogger(__name__)


class Ending(Protocol):
    """The end of a server: whether it was told to stop, and to wait for nothing, and how long things may take then."""

    draining: bool
    forced: bool
    limits: ConnectionLimits


class Runner:
    """Works on at most so many jobs at once, the oldest first. *who* is the caller of a name, or raises what ended it.

    `paces` are those of all jobs that run, `waits` why jobs that are worked on here stand still.
    """

    def __init__(
        self,
        jobs: Jobs,
        manifest: Manifest,
        who: Callable[[str], Caller],
        counters: JobCounters,
        clock: Clock,
        most: int,
    ) -> None:
        self.paces = Paces()
        self.waits: dict[str, str] = {}
        self._jobs = jobs
        self._manifest = manifest
        self._who = who
        self._counters = counters
        self._clock = clock
        self._most = most
        self._tasks = Tasks()
        self._work: dict[str, asyncio.Task[None]] = {}
        self._workers: dict[str, Worker] = {}
        self._begun: dict[str, Job] = {}  # as they were when the work began
        self._resting: dict[str, float] = {}  # until when
        self._looks = 0
        self._stopped: float | None = None  # since when

    @contextlib.asynccontextmanager
    async def working(self, server: Ending) -> AsyncGenerator[None]:
        """Work until *server* was told to stop, and then no longer than its requests may.

        Workers write down what they have asked for, and end. What is cut off is given back to whoever works on the
        job next.
        """
        self._tasks.start(self._watch(server))
        try:
            yield
        finally:
            end = self._stop() + server.limits.drain_seconds + server.limits.shutdown_seconds
            while self._work and self._clock.monotonic() < end and not server.forced:
                await asyncio.wait(self._work.values(), timeout=_STEP)
            await self._tasks.close()

    async def _watch(self, server: Ending) -> None:
        told = ""
        while not server.draining:
            try:
                await self._look()
                told = ""
            except InferenceError as error:
                if str(error) != told:  # once, and not each second
                    warn(f"The bulk jobs cannot be looked at: {error}")
                told = str(error)
            except Exception:  # noqa: BLE001 - a fault of ours at one look keeps nobody from the next
                _LOG.exception("The bulk jobs cannot be looked at")
            await self._clock.sleep(_LOOK)
        self._stop()

    def _stop(self) -> float:
        """Have all workers end; since when they were to."""
        self._stopped = self._clock.monotonic() if self._stopped is None else self._stopped
        for worker in self._workers.values():
            worker.stop()
        return self._stopped

    async def _look(self) -> None:
        """Begin with jobs that run and that nobody here works on, and end those whose callers may not go on."""
        running = await asyncio.to_thread(self._manifest.in_state, JobState.RUNNING)
        for name, job in [*self._begun.items()]:
            if (ended := self._ended(job)) is not None:
                del self._begun[name]  # to be cancelled once: what it has is given back then
                await self._end(job, JobState.PAUSED, ended)
                if (task := self._work.get(name)) is not None:
                    task.cancel()
        for name in running:
            if name not in self._work and len(self._work) < self._most:
                await self._begin(name)
        self._looks += 1
        if self._looks % _PACE == 1:
            await self._measure(running)

    async def _begin(self, name: str) -> None:
        if self._resting.get(name, 0.0) > self._clock.monotonic():
            return
        job = await self._jobs.find(name)
        if job.spec.caller is None or read_within(job.spec.source) is None:
            return  # started elsewhere, at addresses of its own
        self._begun[name] = job
        self._work[name] = task = self._tasks.start(self._work_on(job))
        task.add_done_callback(partial(self._ended_work, name))
        self._counters.work_on(len(self._work))

    def _ended_work(self, name: str, _task: asyncio.Task[None]) -> None:
        for entries in (self._work, self._workers, self._begun, self.waits):
            entries.pop(name, None)
        self._counters.work_on(len(self._work))

    async def _work_on(self, job: Job) -> None:
        """Work on *job* until it ends or is stopped; why it cannot go on is in its state then."""
        name = job.name
        try:
            self._who(job.spec.caller or "")
            async with self._jobs.worker(name, partial(self._waits, name)) as worker:
                self._workers[name] = worker
                if self._stopped is None:
                    await worker.run()
        except InferenceError as error:
            warn(f"The job [{name}] does not go on: {error.whole()}")
            with contextlib.suppress(InferenceError):  # what cannot be written now is tried again at the next look
                await self._give_up(job, error)
        except Exception:  # noqa: BLE001 - a fault of ours in one job ends no other
            _LOG.exception("The job [%s] failed", name)
            self._resting[name] = self._clock.monotonic() + _REST

    async def _give_up(self, job: Job, error: InferenceError) -> None:
        if (ended := self._ended(job)) is not None:
            await self._end(job, JobState.PAUSED, ended)  # for somebody who may go on with it
        elif error.kind in _FOR_NOW or error.upstream is not None:
            self._resting[job.name] = self._clock.monotonic() + _REST
        else:
            await self._end(job, JobState.STOPPED, error)

    async def _end(self, job: Job, state: JobState, why: InferenceError) -> None:
        """Have a job run no more, unless somebody has resumed it in another name meanwhile."""
        change = partial(self._manifest.change, job.name, state, of=[JobState.RUNNING, JobState.STOPPED])
        await asyncio.to_thread(change, reason=why.whole(), spec=job.spec)

    def _ended(self, job: Job) -> InferenceError | None:
        """Why the caller of *job* may not go on; None for one that may."""
        try:
            self._who(job.spec.caller or "")
        except InferenceError as error:
            return error
        return None

    def _waits(self, name: str, error: InferenceError | None) -> None:
        if error is None:
            self.waits.pop(name, None)
        else:
            self.waits[name] = error.whole()

    async def _measure(self, running: list[str]) -> None:
        for name in running:
            counts = await self._jobs.counts(name)
            self.paces.saw(name, self._clock.monotonic(), counts.done + counts.failed)
        self.paces.keep(running)
