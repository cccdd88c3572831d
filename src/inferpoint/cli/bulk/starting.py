"""What `embed` and `complete` do: a job is started, or gone on with, and worked on; or only told of."""

from __future__ import annotations

import typer

from inferpoint.bulk.job import Job, JobState, Spec
from inferpoint.bulk.jobs import Jobs
from inferpoint.cli.bulk import dry_run, opening, running
from inferpoint.cli.bulk.display import Display, display
from inferpoint.cli.bulk.options import JobOptions
from inferpoint.errors import InferenceError, Kind


def start(options: JobOptions, *, embeds: bool, chunk: bool = False) -> None:
    """Do what was typed, and exit with the status that says what became of it."""
    spec = options.spec(chunk=chunk)
    engine = running.engine(options.on, spec.server, options.data_dir)
    endpoints = opening.Endpoints(options.data_dir, options.api_key_file, embeds=embeds)
    if options.dry_run:
        running.exit_status(dry_run.told(spec, endpoints, as_json=options.json))
        return
    raise typer.Exit(running.exit_status(_done(options, spec, endpoints, engine)))


async def _done(options: JobOptions, spec: Spec, endpoints: opening.Endpoints, engine: running.Engine | None) -> int:
    shown = display(events=options.json)
    async with opening.jobs(options.data_dir, endpoints) as jobs:
        job = await jobs.start(spec, options.job, accept=options.accept_changes)
        match job.state:
            case JobState.DONE:
                return await _was_done(jobs, job, shown, options)
            case JobState.CANCELLED:
                problem = f"The job [{job.name}] was cancelled: another name starts one that is new (--job NAME)"
                raise InferenceError(Kind.CONFLICT, problem)
            case _:
                work = running.Work(options.data_dir, options.shards, engine)
                return await running.worked(jobs, job, shown, work)


async def _was_done(jobs: Jobs, job: Job, shown: Display, options: JobOptions) -> int:
    shown.say(f"The job [{job.name}] is done already: nothing is left to do")
    return await running.ended(jobs, job.name, shown, options.data_dir)
