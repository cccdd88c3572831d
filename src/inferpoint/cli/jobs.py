"""`inferpoint jobs`: what became of bulk jobs, and what is to become of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer

from inferpoint.bulk.job import SHARDS, Counts, Failure, Job, JobState
from inferpoint.cli.bulk.options import FOLDER, Engine, Events, Folder, Server, Shards
from inferpoint.cli.remote import KeyFile
from inferpoint.cli.screen import Output, show
from inferpoint.errors import InferenceError, Kind

if TYPE_CHECKING:
    from inferpoint.bulk.jobs import Jobs

T = TypeVar("T")

_COLUMNS = ("name", "state", "items", "done", "failed", "endpoint", "source", "sink", "created")
_FAILURES = ("item", "id", "kind", "message")

Name = Annotated[str, typer.Argument(help="The job's name.")]

jobs = typer.Typer(help="Bulk jobs: what became of them, and what is to become of them.", no_args_is_help=True)


@jobs.command("list")
def list_jobs(data_dir: Folder = FOLDER, output: Output = "table") -> None:
    """List all jobs, the newest first."""

    async def every(jobs: Jobs) -> list[tuple[Job, Counts]]:
        return [(job, await jobs.counts(job.name)) for job in await jobs.all()]

    rows = [_row(job, counts) for job, counts in _asked(data_dir, every)]
    show(rows, output, _COLUMNS)


@jobs.command("show")
def show_job(name: Name, data_dir: Folder = FOLDER, output: Output = "table") -> None:
    """Show what is written down of a job."""

    async def one(jobs: Jobs) -> tuple[Job, Counts]:
        return await jobs.find(name), await jobs.counts(name)

    job, counts = _asked(data_dir, one)
    if output == "json":
        show({**msgspec.to_builtins(job), "counts": msgspec.to_builtins(counts)}, output, ())
        return
    members = {**_row(job, counts), **_more(job, counts)}
    show([{"": member, "value": value} for member, value in members.items() if value != ""], output, ("", "value"))


@jobs.command("work")
def work_on(
    name: Name,
    server: Server = None,
    shards: Shards = SHARDS,
    on: Engine = None,
    json: Events = False,  # noqa: FBT002 - a flag is a keyword to the person who types it
    data_dir: Folder = FOLDER,
    api_key_file: KeyFile = None,
) -> None:
    """Work on a job that was started, along with whoever does so already; the exit status is that of `embed`."""
    from inferpoint.cli.bulk import opening, running  # noqa: PLC0415 - other commands need none of it
    from inferpoint.cli.bulk.display import display  # noqa: PLC0415

    async def work() -> int:
        async with opening.jobs(data_dir, opening.Endpoints(data_dir, api_key_file, server=server)) as jobs:
            job = await jobs.find(name)
            shown = display(events=json)
            if job.state is JobState.DONE:
                return await running.ended(jobs, name, shown, data_dir)
            if job.state is not JobState.RUNNING:
                why = f": {job.reason}" if job.reason else ""
                raise InferenceError(Kind.CONFLICT, f"The job [{name}] is {job.state.value}{why}")
            engine = running.engine(on, server or job.spec.server, data_dir)
            return await running.worked(jobs, job, shown, running.Work(data_dir, shards, engine))

    raise typer.Exit(running.exit_status(work()))


@jobs.command("pause")
def pause_job(name: Name, data_dir: Folder = FOLDER) -> None:
    """Have whoever works on a job write down what is in flight, and end."""
    _asked(data_dir, lambda jobs: jobs.pause(name))
    print(f"Paused {name}")


@jobs.command("resume")
def resume_job(name: Name, data_dir: Folder = FOLDER) -> None:
    """Let a job run again that was paused or has stopped; `inferpoint jobs work` does the work."""
    _asked(data_dir, lambda jobs: jobs.resume(name))
    print(f"Resumed {name}: {_work(name, data_dir)}")


@jobs.command("cancel")
def cancel_job(name: Name, data_dir: Folder = FOLDER) -> None:
    """Have a job run no more, ever; what is in its sink stays there."""
    _asked(data_dir, lambda jobs: jobs.cancel(name))
    print(f"Cancelled {name}")


@jobs.command("retry")
def retry_job(name: Name, data_dir: Folder = FOLDER) -> None:
    """Have the items of a job tried again that failed; `inferpoint jobs work` does the work."""
    count = _asked(data_dir, lambda jobs: jobs.retry(name))
    print(f"Items to be tried again: {count:,}: {_work(name, data_dir)}" if count else "No item has failed")


@jobs.command("failures")
def list_failures(name: Name, data_dir: Folder = FOLDER, output: Output = "table") -> None:
    """List the items of a job that failed, and why."""

    async def every(jobs: Jobs) -> list[Failure]:
        await jobs.find(name)
        failures: list[Failure] = []
        while page := await jobs.failures(name, failures[-1].item if failures else -1):
            failures += page
        return failures

    show(msgspec.to_builtins(_asked(data_dir, every)), output, _FAILURES)


@jobs.command("verify")
def verify_job(name: Name, data_dir: Folder = FOLDER, output: Output = "table") -> None:
    """Count a job's items again, from its source and its sink. Exit status: 0 when all is right, 1 when it is not."""
    verified = _asked(data_dir, lambda jobs: jobs.verify(name))
    members: Mapping[str, Any] = msgspec.to_builtins(verified)
    if output == "json":
        show({**members, "right": verified.is_right}, output, ())
    else:
        counts = {member: value for member, value in members.items() if member != "ids"}
        show([{**counts, "right": "yes" if verified.is_right else "no"}], output, (*counts, "right"))
    if not verified.is_right:
        wrong = [f"{why}: {', '.join(verified.ids[why])}" for why in ("missing", "twice") if verified.ids[why]]
        raise InferenceError(Kind.CONFLICT, f"The job [{name}] is not what its books say", *wrong)


@jobs.command("delete")
def delete_job(name: Name, data_dir: Folder = FOLDER) -> None:
    """Forget a job; what is in its sink stays there."""
    _asked(data_dir, lambda jobs: jobs.remove(name))
    print(f"Deleted {name}")


def _asked(data_dir: Path, ask: Callable[[Jobs], Awaitable[T]]) -> T:
    """What *ask* has of the jobs that are written down."""
    from inferpoint.cli.bulk import opening  # noqa: PLC0415 - other commands need none of it

    async def answer() -> T:
        async with opening.jobs(data_dir) as jobs:
            return await ask(jobs)

    return asyncio.run(answer())


def _work(name: str, data_dir: Path) -> str:
    from inferpoint.cli.bulk.words import command  # noqa: PLC0415

    return command("work", name, data_dir)


def _row(job: Job, counts: Counts) -> dict[str, Any]:
    """A job in the words of a table."""
    return {
        "name": job.name,
        "state": job.state.value,
        "items": counts.planned,
        "done": counts.done,
        "failed": counts.failed,
        "endpoint": job.spec.endpoint,
        "source": job.spec.source,
        "sink": job.spec.sink,
        "created": _time(job.created),
    }


def _more(job: Job, counts: Counts) -> dict[str, Any]:
    """What is told of one job alone."""
    from inferpoint.cli.bulk.words import dollars  # noqa: PLC0415

    space = job.pinned.space
    return {
        "finished": "" if job.finished is None else _time(job.finished),
        "reason": job.reason or "",
        "service": job.pinned.service,
        "model": space.model,
        "dimensions": "" if space.dimensions is None else space.dimensions,
        "rows": counts.rows,
        "calls": counts.calls,
        "tokens": counts.tokens,
        "cost": "" if counts.nano_usd is None else dollars(counts.nano_usd),
        "shards": f"{counts.shards_done} of {counts.shards} done",
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
