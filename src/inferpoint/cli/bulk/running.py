"""A job worked on by a command, until it is done, stopped, or interrupted; and the exit status that tells which."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from inferpoint import garbage
from inferpoint.bulk.job import Counts, Job, JobState
from inferpoint.bulk.jobs import Jobs
from inferpoint.bulk.pinning import is_changed_source
from inferpoint.cli.bulk import words
from inferpoint.cli.bulk.display import Display
from inferpoint.errors import InferenceError, invalid
from inferpoint.tasks import Tasks

DONE, FAILED, SOME_FAILED, STOPPED, CHANGED, INTERRUPTED = 0, 1, 3, 4, 5, 130


def exit_status(work: Coroutine[Any, Any, int]) -> int:
    """What *work* ends with, run in an event loop; an error is told, and a changed source has a status of its own."""
    try:
        return uvloop.run(work)
    except InferenceError as error:
        if not is_changed_source(error):
            raise
        print(f"inferpoint: {error}", file=sys.stderr)
        return CHANGED


@dataclass(frozen=True)
class Engine:
    """Processes of Dask or Ray that do shards, which ask a *server*; jobs are written down in a data *folder*."""

    run: Callable[[Callable[[int], None], Sequence[int]], None]
    server: str
    folder: str

    async def work(self, jobs: Jobs, name: str) -> None:
        """Have all shards done that are left; what the engine gives up is left to whoever works on the job next."""
        from inferpoint.library.distributed import run_shard  # noqa: PLC0415 - only where there is an engine

        one = partial(run_shard, job=name, server=self.server, folder=self.folder)
        await asyncio.to_thread(self.run, one, await jobs.left(name))


@dataclass(frozen=True)
class Work:
    """How a command works on a job: with so many *shards* open in this process, after an *engine* if there is one."""

    data_dir: Path
    shards: int
    engine: Engine | None = None


def engine(address: str | None, server: str | None, data_dir: Path) -> Engine | None:
    """The engine at *address*; `INVALID` without a *server* that keeps the limits of all its processes."""
    if address is None:
        return None
    from inferpoint.library.distributed import engine  # noqa: PLC0415 - only where there is an engine

    if server is None:
        raise invalid("--on needs --server: the processes of an engine ask one server, which keeps the limits of all")
    return Engine(engine(address), server, str(data_dir.absolute()))


async def worked(jobs: Jobs, job: Job, display: Display, work: Work) -> int:
    """Work on *job*, and tell how it goes; the exit status."""
    async with jobs.worker(job.name, display.wait, shards=work.shards) as worker:
        display.start(job, await jobs.counts(job.name))
        garbage.settle()
        tasks = Tasks()

        def stop() -> None:
            worker.stop()
            if work.engine is not None:
                tasks.start(jobs.pause(job.name))  # whoever works on it elsewhere sees that

        with _interruptible(stop, display, words.command("work", job.name, work.data_dir)):
            try:
                async with _watched(jobs, job.name, display):
                    if work.engine is not None:
                        await work.engine.work(jobs, job.name)
                    await worker.run()
            except InferenceError:
                display.say("What is done is kept: the same command goes on with it.")
                raise
            finally:
                await tasks.close()
                display.close()
    return await ended(jobs, job.name, display, work.data_dir)


async def ended(jobs: Jobs, name: str, display: Display, data_dir: Path) -> int:
    """Tell what became of the job called *name*; the exit status."""
    job, counts = await jobs.find(name), await jobs.counts(name)
    display.end(job, counts)
    if job.reason is not None:
        display.say(f"The job [{name}] is {job.state.value}: {job.reason}")
    if counts.failed:
        display.say(f"Why items failed: {words.command('failures', name, data_dir)}")
    return status(job, counts)


def status(job: Job, counts: Counts) -> int:
    """The exit status of a command that has worked on *job*."""
    match job.state:
        case JobState.DONE:
            return SOME_FAILED if counts.failed else DONE
        case JobState.STOPPED:
            return STOPPED if counts.failed > job.spec.most_failures(counts.planned) else FAILED
        case JobState.CANCELLED:
            return FAILED
        case JobState.RUNNING | JobState.PAUSED:
            return INTERRUPTED


@contextlib.asynccontextmanager
async def _watched(jobs: Jobs, name: str, display: Display) -> AsyncGenerator[None]:
    """Tell how the job goes for as long as it is worked on."""

    async def watch() -> None:
        while True:
            await asyncio.sleep(display.every)
            with contextlib.suppress(InferenceError):  # what cannot be read now is read at the next look
                display.advance(await jobs.counts(name))

    tasks = Tasks()
    tasks.start(watch())
    try:
        yield
    finally:
        await tasks.close()


@contextlib.contextmanager
def _interruptible(stop: Callable[[], None], display: Display, command: str) -> Generator[None]:
    """Have a first signal end the work when what is in flight is written down, and a second one at once.

    At once is as if the process were killed, which a job survives: what was in flight is paid, and asked for again.
    """
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    act: Callable[[], None]
    interrupted = False

    def act() -> None:
        nonlocal interrupted
        if interrupted:
            display.close()
            sys.stdout.flush()
            os._exit(INTERRUPTED)
        interrupted = True
        stop()
        display.say(f"Finishing what is in flight (again: at once). To go on, the same command, or: {command}")

    for number in signals:
        loop.add_signal_handler(number, act)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
