"""`inferpoint complete`: any number of prompts from a file, a bucket or an index, each with a model's answer."""

from __future__ import annotations

from inferpoint.cli.bulk.options import JobOptions, starting_a_job


@starting_a_job
def complete(options: JobOptions) -> None:
    """Have all prompts of SOURCE completed into a sink, each once, whatever comes between; typed again, it goes on.

    Exit status: 0 when all is done, 3 when it is but for some items that failed, 4 when more failed than may, 5 when
    the source has changed, 130 when interrupted, 1 for any other failure.
    """
    from inferpoint.cli.bulk.starting import start  # noqa: PLC0415 - other commands need none of it

    start(options, embeds=False)
